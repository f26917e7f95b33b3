// Package tap writes the Test Anything Protocol. The suite imports a library of
// this name, which Debian does not have; this is what the suite uses of it.
package tap

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

// T counts what it writes.
type T struct {
	Writer io.Writer
	TODO   string
	next   int
}

// New returns a writer on standard output.
func New() *T { return &T{Writer: os.Stdout, next: 1} }

func (t *T) print(format string, args ...interface{}) {
	if _, err := fmt.Fprintf(t.Writer, format, args...); err != nil {
		panic(err)
	}
}

// Header begins the stream; with a count it also announces the plan.
func (t *T) Header(count int) {
	t.print("TAP version 13\n")
	if count > 0 {
		t.print("1..%d\n", count)
	}
}

// AutoPlan announces the plan afterwards.
func (t *T) AutoPlan() { t.print("1..%d\n", t.next-1) }

// Ok writes one result.
func (t *T) Ok(good bool, description string) {
	word := "ok"
	if !good {
		word = "not ok"
	}
	todo := ""
	if t.TODO != "" {
		todo = " # TODO " + t.TODO
	}
	t.print("%s %d - %s%s\n", word, t.next, description, todo)
	t.next++
}

// Pass writes a good result.
func (t *T) Pass(description string) { t.Ok(true, description) }

// Fail writes a bad result.
func (t *T) Fail(description string) { t.Ok(false, description) }

// Skip writes count results that were not tried.
func (t *T) Skip(count int, description string) {
	for i := 0; i < count; i++ {
		t.print("ok %d # SKIP %s\n", t.next, description)
		t.next++
	}
}

// Todo returns a writer whose bad results are expected.
func (t *T) Todo() *T {
	copied := *t
	copied.TODO = "TODO"
	return &copied
}

// Diagnostic writes a comment.
func (t *T) Diagnostic(message string) {
	t.print("# %s\n", strings.Replace(message, "\n", "\n# ", -1))
}

// Diagnosticf writes a formatted comment.
func (t *T) Diagnosticf(format string, args ...interface{}) {
	t.Diagnostic(fmt.Sprintf(format, args...))
}

// YAML writes a block that belongs to the last result. JSON is YAML too.
func (t *T) YAML(message interface{}) error {
	text, err := json.MarshalIndent(message, "  ", "  ")
	if err != nil {
		return err
	}
	t.print("  ---\n  %s\n  ...\n", text)
	return nil
}
