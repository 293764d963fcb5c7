#include "backends/engine/cursor.h"

#include <limits>

namespace keelson::engine {

Cursor::Cursor(const std::unique_ptr<Core>& core, const model::RangeRequest& request)
    : core_(core),
      opened_on_(core.get()),
      next_key_(request.key),
      end_(request.range_end),
      columns_(columns_of(request)),
      count_only_(request.count_only) {
  left_ = request.limit > 0 ? static_cast<uint64_t>(request.limit)
                            : std::numeric_limits<uint64_t>::max();
}

model::Error Cursor::open(Revision asked) {
  Epochs::Pin pin = core_->pin();
  const View& view = core_->view();
  header_ = view.state.revision;
  model::Error error = resolve_revision(view.state, asked, revision_);
  if (error == model::Error::kNone) count_ = count_at(view.state, {next_key_, end_}, revision_);
  return error;
}

model::RangeCursor::Chunk Cursor::next(size_t max_keys, size_t max_bytes) {
  Chunk chunk;
  Epochs::Pin pin = core_->pin();
  const View& view = core_->view();
  chunk.term = view.term;
  if (core_.get() != opened_on_ || revision_ < view.state.compact) {
    chunk.error = model::Error::kCompacted;
    return chunk;
  }
  // One key more than is given tells whether this is the last chunk.
  uint64_t want =
      count_only_ ? 0 : std::min<uint64_t>({std::max<size_t>(1, max_keys), left_, kMaxKeys});
  absl::InlinedVector<const model::Record*, 4> records;
  if (want > 0) {
    collect(view.state, {next_key_, end_}, revision_, want + 1, records);
  }
  size_t given = 0;
  size_t size = 0;
  while (given < std::min<size_t>(want, records.size()) && (given == 0 || size < max_bytes)) {
    size += encoded_size(*records[given++], columns_);
  }
  chunk.kvs.reserve(size);
  for (size_t i = 0; i < given; ++i) append(*records[i], columns_, chunk.kvs);
  chunk.keys = given;
  left_ -= given;
  bool more = records.size() > given;
  chunk.last = count_only_ || !more || left_ == 0;
  if (chunk.last) {
    chunk.revision = header_;
    chunk.more = more;
    chunk.count = count_;
  } else {
    next_key_.assign(records[given - 1]->key());
    next_key_.push_back('\0');
  }
  return chunk;
}

}  // namespace keelson::engine
