package kube

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const callLimit = 30 * time.Second

// object is any API object, as JSON gives it.
type object map[string]any

func (o object) meta() map[string]any {
	meta, _ := o["metadata"].(map[string]any)
	return meta
}

func (o object) text(name string) string {
	text, _ := o.meta()[name].(string)
	return text
}

func (o object) name() string { return o.text("namespace") + "/" + o.text("name") }

func (o object) revision() int64 {
	n, _ := strconv.ParseInt(o.text("resourceVersion"), 10, 64)
	return n
}

// label "state" says which write of the test an object shows.
func (o object) state() string {
	labels, _ := o.meta()["labels"].(map[string]any)
	text, _ := labels["state"].(string)
	return text
}

// apiError is an answer with another status than expected.
type apiError struct {
	code int
	body string
}

func (e *apiError) Error() string { return fmt.Sprintf("status %d: %.500s", e.code, e.body) }

// client speaks to one API server, over connections of its own.
type client struct {
	base string
	http *http.Client
}

func newClient(base string) *client {
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	return &client{base: base, http: &http.Client{Transport: transport}}
}

// reset closes idle connections, for a server that was started anew.
func (c *client) reset() { c.http.CloseIdleConnections() }

func (c *client) request(ctx context.Context, method, path, kind string, body []byte) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	return c.http.Do(request)
}

func (c *client) do(method, path, kind string, body []byte) (int, []byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), callLimit)
	defer cancel()
	answer, err := c.request(ctx, method, path, kind, body)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	return answer.StatusCode, content, err
}

// call expects a JSON answer of status 200 or 201.
func (c *client) call(method, path, kind string, body object) (object, error) {
	var content []byte
	if body != nil {
		var err error
		if content, err = json.Marshal(body); err != nil {
			return nil, err
		}
	}
	code, answer, err := c.do(method, path, kind, content)
	if err != nil {
		return nil, err
	}
	if code != 200 && code != 201 {
		return nil, &apiError{code, string(answer)}
	}
	var out object
	return out, json.Unmarshal(answer, &out)
}

func (c *client) create(path string, o object) (object, error) {
	return c.call("POST", path, "application/json", o)
}

func (c *client) get(path string) (object, error) { return c.call("GET", path, "", nil) }

func (c *client) patch(path string, change object) (object, error) {
	return c.call("PATCH", path, "application/merge-patch+json", change)
}

func (c *client) remove(path string) (object, error) { return c.call("DELETE", path, "", nil) }

// listing is a whole list, gathered from its pages.
type listing struct {
	revision int64
	items    []object
	pages    int
}

// list reads in pages of `limit` (0: all at once). All pages must show one revision, be full but for
// the last, and count down what remains.
func (c *client) list(path string, limit int) (*listing, error) {
	out, next := &listing{}, ""
	expected := int64(-1) // what the page before said would remain
	for {
		query := url.Values{}
		if limit > 0 {
			query.Set("limit", strconv.Itoa(limit))
		}
		if next != "" {
			query.Set("continue", next)
		}
		answer, err := c.get(path + "?" + query.Encode())
		if err != nil {
			return nil, err
		}
		revision := answer.revision()
		if out.pages > 0 && revision != out.revision {
			return nil, fmt.Errorf("page %d of %s is at revision %d, the first at %d", out.pages, path, revision, out.revision)
		}
		items, _ := answer["items"].([]any)
		if expected >= 0 && int64(len(items)) > expected {
			return nil, fmt.Errorf("page %d of %s has %d items, %d remained", out.pages, path, len(items), expected)
		}
		for _, item := range items {
			fields, _ := item.(map[string]any)
			out.items = append(out.items, fields)
		}
		out.revision = revision
		out.pages++
		next = answer.text("continue")
		remaining, counted := answer.meta()["remainingItemCount"].(float64)
		if next == "" {
			if expected > 0 && int64(len(items)) != expected {
				return nil, fmt.Errorf("last page of %s has %d items, %d remained", path, len(items), expected)
			}
			return out, nil
		}
		if len(items) != limit || !counted {
			return nil, fmt.Errorf("page %d of %s: %d items of %d, remaining counted: %t", out.pages, path, len(items), limit, counted)
		}
		expected = int64(remaining)
	}
}
