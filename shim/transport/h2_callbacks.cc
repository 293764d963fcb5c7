#include "shim/transport/h2_callbacks.h"

#include <string_view>

#include "api/base/check.h"
#include "shim/transport/h2_session.h"

namespace keelson::transport {

// nghttp2's callbacks; the user data of a session is its H2Session, that of a stream its H2Stream.
struct H2Callbacks {
  static H2Session& of(void* user_data) { return *static_cast<H2Session*>(user_data); }
  static H2Stream* stream(nghttp2_session* session, int32_t id) {
    return static_cast<H2Stream*>(nghttp2_session_get_stream_user_data(session, id));
  }
  static std::string_view view(nghttp2_rcbuf* buffer) {
    const nghttp2_vec bytes = nghttp2_rcbuf_get_buf(buffer);
    return {reinterpret_cast<const char*>(bytes.base), bytes.len};
  }

  static int on_begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) of(user_data).head_.reset();
    return 0;
  }

  static int on_header(nghttp2_session*, const nghttp2_frame* frame, nghttp2_rcbuf* name,
                       nghttp2_rcbuf* value, uint8_t, void* user_data) {
    // Trailers of requests mean nothing in gRPC.
    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST)
      of(user_data).head_.add(view(name), view(value));
    return 0;
  }

  static int on_frame(nghttp2_session* session, const nghttp2_frame* frame, void* user_data) {
    H2Session& self = of(user_data);
    const int32_t id = frame->hd.stream_id;
    const bool ends = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS:
        if (frame->headers.cat == NGHTTP2_HCAT_REQUEST) self.on_request(id);
        break;
      case NGHTTP2_DATA:
        if (frame->hd.length == 0 && !ends) self.on_control_frame(1);
        break;
      case NGHTTP2_SETTINGS:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) return 0;
        self.connection_.established();
        self.on_control_frame(1);
        return 0;
      case NGHTTP2_PING:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0)
          self.on_ping_ack(frame->ping.opaque_data);
        else
          self.on_ping(frame->ping.opaque_data);
        return 0;
      case NGHTTP2_PRIORITY:
      case NGHTTP2_RST_STREAM:
        self.on_control_frame(1);
        return 0;
      default:
        return 0;
    }
    if (!ends) return 0;
    if (H2Stream* at = stream(session, id)) at->on_remote_end();
    return 0;
  }

  static int on_invalid_frame(nghttp2_session*, const nghttp2_frame*, int, void* user_data) {
    of(user_data).on_control_frame(10);
    return 0;
  }

  static int on_data(nghttp2_session* session, uint8_t, int32_t id, const uint8_t* bytes,
                     size_t size, void*) {
    // The connection's window follows what arrives; only streams push back.
    nghttp2_session_consume_connection(session, size);
    if (H2Stream* at = stream(session, id))
      at->on_data({reinterpret_cast<const char*>(bytes), size});
    else
      nghttp2_session_consume_stream(session, id, size);
    return 0;
  }

  static int on_sent(nghttp2_session* session, const nghttp2_frame* frame, void* user_data) {
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) return 0;
    H2Session& self = of(user_data);
    self.ping_policy_.on_sent(self.loop().now());
    if (frame->hd.type == NGHTTP2_DATA) return 0;
    const int32_t id = frame->hd.stream_id;
    // Answered before the request was whole: the rest is not wanted (RFC 9113 8.1).
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 &&
        nghttp2_session_get_stream_remote_close(session, id) == 0)
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR);
    return 0;
  }

  static int on_stream_close(nghttp2_session* session, int32_t id, uint32_t, void* user_data) {
    if (H2Stream* at = stream(session, id)) of(user_data).on_stream_close(*at);
    return 0;
  }

  static int send_data(nghttp2_session*, nghttp2_frame*, const uint8_t* frame_head, size_t length,
                       nghttp2_data_source* source, void* user_data) {
    Gather* gather = of(user_data).gather();
    if (gather->full()) return NGHTTP2_ERR_WOULDBLOCK;
    gather->append(frame_head, 9);
    static_cast<H2Stream*>(source->ptr)->write(length, *gather);
    return 0;
  }
};

const nghttp2_session_callbacks* h2_callbacks() {
  static nghttp2_session_callbacks* const made = [] {
    nghttp2_session_callbacks* c = nullptr;
    KEELSON_CHECK(nghttp2_session_callbacks_new(&c) == 0, "out of memory");
    nghttp2_session_callbacks_set_on_begin_headers_callback(c, &H2Callbacks::on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback2(c, &H2Callbacks::on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(c, &H2Callbacks::on_frame);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(c, &H2Callbacks::on_invalid_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, &H2Callbacks::on_data);
    nghttp2_session_callbacks_set_on_frame_send_callback(c, &H2Callbacks::on_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(c, &H2Callbacks::on_stream_close);
    nghttp2_session_callbacks_set_send_data_callback(c, &H2Callbacks::send_data);
    return c;
  }();
  return made;
}

const nghttp2_option* h2_options() {
  static nghttp2_option* const made = [] {
    nghttp2_option* o = nullptr;
    KEELSON_CHECK(nghttp2_option_new(&o) == 0, "out of memory");
    nghttp2_option_set_no_auto_window_update(o, 1);  // streams push back
    nghttp2_option_set_no_closed_streams(o, 1);      // memory
    nghttp2_option_set_no_auto_ping_ack(o, 1);       // probes wait
    nghttp2_option_set_max_settings(o, 32);
    nghttp2_option_set_max_outbound_ack(o, 1000);
    // Our own budget counts resets with the other control frames; this one is the second line.
    nghttp2_option_set_stream_reset_rate_limit(o, 20'000, 2'000);
    nghttp2_option_set_max_continuations(o, 8);
    return o;
  }();
  return made;
}

}  // namespace keelson::transport
