// The callbacks and options that every HTTP/2 session shares.
#pragma once

#include <nghttp2/nghttp2.h>

namespace keelson::transport {

// Made once, never freed.
const nghttp2_session_callbacks* h2_callbacks();
const nghttp2_option* h2_options();

}  // namespace keelson::transport
