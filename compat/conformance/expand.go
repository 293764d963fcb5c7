package conformance

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// expand replaces, in this order, the macros and the variables of a command's text:
//
//	@x(N)             the letter x N times
//	@repeat(N, TEXT)  TEXT N times, with %d (or %03d) replaced by 0, 1, 2...
//	$NAME             a saved value
func expand(text string, variables map[string]string) (string, error) {
	for {
		at := strings.Index(text, "@repeat(")
		if at < 0 {
			break
		}
		inside, after, err := parenthesis(text, at+len("@repeat("))
		if err != nil {
			return "", err
		}
		count, body, found := strings.Cut(inside, ",")
		n, err := strconv.Atoi(strings.TrimSpace(count))
		if err != nil || !found {
			return "", fmt.Errorf("bad macro @repeat(%s)", inside)
		}
		text = text[:at] + repeat(strings.TrimSpace(body), n) + text[after:]
	}
	text = longRun.ReplaceAllStringFunc(text, func(macro string) string {
		n, _ := strconv.Atoi(longRun.FindStringSubmatch(macro)[1])
		return strings.Repeat("x", n)
	})
	var missing error
	text = variable.ReplaceAllStringFunc(text, func(name string) string {
		value, ok := variables[name[1:]]
		if !ok {
			missing = fmt.Errorf("no value was saved as %s", name)
		}
		return value
	})
	return text, missing
}

var (
	longRun  = regexp.MustCompile(`@x\((\d+)\)`)
	variable = regexp.MustCompile(`\$[A-Z][A-Z0-9_]*`)
	counter  = regexp.MustCompile(`%0?\d*d`)
)

func repeat(body string, n int) string {
	var out strings.Builder
	for i := range n {
		out.WriteString(counter.ReplaceAllStringFunc(body, func(format string) string {
			return fmt.Sprintf(format, i)
		}))
		out.WriteByte(' ')
	}
	return out.String()
}

// parenthesis gives the text up to the parenthesis that closes the one before `from`.
func parenthesis(text string, from int) (inside string, after int, err error) {
	depth := 1
	for i := from; i < len(text); i++ {
		switch text[i] {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 {
				return text[from:i], i + 1, nil
			}
		}
	}
	return "", 0, fmt.Errorf("unbalanced parenthesis in %q", text)
}
