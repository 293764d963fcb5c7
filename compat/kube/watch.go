package kube

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"
	"sync"
	"time"
)

// change is one event of a watch, of the API or of the store.
type change struct {
	what     string // ADDED, MODIFIED, DELETED
	name     string // namespace/name
	state    string // of the label; not compared with the store's
	revision int64
}

// segment is an unbroken run of events: everything after revision `from`.
type segment struct {
	from    int64
	reached int64 // by events or bookmarks
	changes []change
}

var errExpired = errors.New("the revision is too old")

// apiWatch follows one kind in all namespaces and resumes by revision whatever happens.
type apiWatch struct {
	client *client
	kind   kind

	lock     sync.Mutex
	segments []*segment
	resumed  int
	errs     []error
}

func (w *apiWatch) current() *segment { return w.segments[len(w.segments)-1] }

// startWatch watches from a revision on; it ends with the context.
func startWatch(ctx context.Context, group *sync.WaitGroup, base string, k kind, from int64) *apiWatch {
	w := &apiWatch{client: newClient(base), kind: k, segments: []*segment{{from: from, reached: from}}}
	group.Go(func() {
		defer w.client.reset()
		for ctx.Err() == nil {
			err := w.once(ctx)
			if errors.Is(err, errExpired) {
				err = w.relist(ctx)
			}
			var answer *apiError
			transient := err == nil || errors.As(err, &answer) || !errors.Is(err, errWrong)
			if !transient {
				w.fail(err)
				return
			}
			w.lock.Lock()
			w.resumed++
			w.lock.Unlock()
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
	})
	return w
}

var errWrong = errors.New("wrong event")

func (w *apiWatch) fail(err error) {
	w.lock.Lock()
	defer w.lock.Unlock()
	w.errs = append(w.errs, fmt.Errorf("watch of %s: %w", w.kind.plural, err))
}

// relist begins a new segment, as a client must whose revision is too old for the server.
func (w *apiWatch) relist(ctx context.Context) error {
	list, err := w.client.list(w.kind.all(), 0)
	if err != nil || ctx.Err() != nil {
		return err
	}
	w.lock.Lock()
	defer w.lock.Unlock()
	w.segments = append(w.segments, &segment{from: list.revision, reached: list.revision})
	return nil
}

// once holds one watch request until it ends.
func (w *apiWatch) once(ctx context.Context) error {
	w.lock.Lock()
	from := w.current().reached
	w.lock.Unlock()
	query := url.Values{"watch": {"1"}, "allowWatchBookmarks": {"true"}, "resourceVersion": {strconv.FormatInt(from, 10)}}
	answer, err := w.client.request(ctx, "GET", w.kind.all()+"?"+query.Encode(), "", nil)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode == 410 {
		return errExpired
	}
	if answer.StatusCode != 200 {
		body, _ := io.ReadAll(answer.Body)
		return &apiError{answer.StatusCode, string(body)}
	}
	decoder := json.NewDecoder(bufio.NewReader(answer.Body))
	for {
		var event struct {
			Type   string `json:"type"`
			Object object `json:"object"`
		}
		if err := decoder.Decode(&event); err != nil {
			return err
		}
		if event.Type == "ERROR" {
			code, _ := event.Object["code"].(float64)
			if code == 410 {
				return errExpired
			}
			return &apiError{int(code), fmt.Sprint(event.Object)}
		}
		if err := w.take(event.Type, event.Object); err != nil {
			return err
		}
	}
}

func (w *apiWatch) take(what string, o object) error {
	w.lock.Lock()
	defer w.lock.Unlock()
	s := w.current()
	revision := o.revision()
	if what == "BOOKMARK" {
		if revision < s.reached {
			return fmt.Errorf("%w: bookmark %d after %d", errWrong, revision, s.reached)
		}
		s.reached = revision
		return nil
	}
	if revision <= s.reached {
		return fmt.Errorf("%w: %s %s at %d after %d", errWrong, what, o.name(), revision, s.reached)
	}
	s.reached = revision
	s.changes = append(s.changes, change{what, o.name(), o.state(), revision})
	return nil
}

// reachedRevision tells how far it is.
func (w *apiWatch) reachedRevision() int64 {
	w.lock.Lock()
	defer w.lock.Unlock()
	return w.current().reached
}

// seen counts the events of the present segment.
func (w *apiWatch) seen() int {
	w.lock.Lock()
	defer w.lock.Unlock()
	return len(w.current().changes)
}

// compare holds each segment against the whole truth, which is in order.
func (w *apiWatch) compare(truth []change) error {
	w.lock.Lock()
	defer w.lock.Unlock()
	if err := errors.Join(w.errs...); err != nil {
		return err
	}
	for _, s := range w.segments {
		var expected []change
		for _, c := range truth {
			if c.revision > s.from && c.revision <= s.reached {
				expected = append(expected, c)
			}
		}
		for i := range max(len(expected), len(s.changes)) {
			var got, want change
			if i < len(s.changes) {
				got = s.changes[i]
			}
			if i < len(expected) {
				want = expected[i]
			}
			if got.what != want.what || got.name != want.name || got.revision != want.revision {
				return fmt.Errorf("watch of %s from %d: event %d is %v, expected %v", w.kind.plural, s.from, i, got, want)
			}
		}
	}
	return nil
}
