package test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/dunlin-network/dunlin/internal/devnet"
)

// examplesFile is where the API's examples stand.
const examplesFile = "../docs/build/api.md"

// example is a shell block of a document, and the block that shows what it answers.
type example struct {
	line                  int
	script, language, out string
}

var exampleBlocks = regexp.MustCompile("(?s)```sh\n(.*?)```\n(?:```(json|text)\n(.*?)```\n)?")

// readExamples finds the examples in the document, whose text it gives, too.
func readExamples(t *testing.T) (examples []example, text []byte) {
	t.Helper()
	raw, err := os.ReadFile(examplesFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range exampleBlocks.FindAllSubmatchIndex(raw, -1) {
		part := func(i int) string {
			if m[2*i] < 0 {
				return ""
			}
			return string(raw[m[2*i]:m[2*i+1]])
		}
		examples = append(examples, example{1 + bytes.Count(raw[:m[0]], []byte("\n")), part(1), part(2), part(3)})
	}
	if len(examples) < 30 {
		t.Fatalf("%d examples found only", len(examples))
	}
	return examples, raw
}

// shown reports whether one of the examples calls what matches, and shows an answer that is neither a refusal nor empty.
func shown(examples []example, call *regexp.Regexp) bool {
	return slices.ContainsFunc(examples, func(e example) bool {
		return call.MatchString(e.script) && e.out != "" && strings.TrimSpace(e.out) != `{"watermarks": {}}` && !strings.Contains(e.out, `"error"`)
	})
}

// TestExamples runs every example of docs/build/api.md as it is printed there, and holds the answer against the
// one that is shown: whatever is there must be there, of the same kind.
func TestExamples(t *testing.T) {
	needCurl(t)
	t.Parallel()
	examples, _ := readExamples(t)
	f := newFleet(t, devnet.Plan{Validators: 4})
	f.start(f.all()...)
	f.untilProposing(f.all()...)
	api := f.network.Nodes[0].API
	eventually(t, "the network has a key to seal with", func() error {
		if r := curlJSON[transaction](t, api+"/v1/encryption-key"); r.Reason != "" {
			return fmt.Errorf("%s", r.Detail)
		}
		return nil
	})
	eventually(t, "the first commits are certified", func() error {
		if r := curlJSON[transaction](t, api+"/v1/commits/2/certificate"); r.Reason != "" {
			return fmt.Errorf("%s", r.Detail)
		}
		return nil
	})
	refusal := rpc(t, api, uint64(devnet.Open), "none").Error.Message // which lists the methods that there are
	methods := regexp.MustCompile(`(eth|net|dunlin)_[A-Za-z]+`).FindAllString(refusal, -1)
	if len(methods) < 10 {
		t.Errorf("%d methods in %q", len(methods), refusal)
	}
	for _, method := range methods {
		if !shown(examples, regexp.MustCompile(`\b`+method+`\b`)) {
			t.Errorf("%s has no example in %s that succeeds", method, examplesFile)
		}
	}
	for _, e := range examples {
		if strings.Contains(e.script, "sleep ") { // by the clock, and so too early on a machine that is busy
			eventually(t, fmt.Sprintf("%s:%d", examplesFile, e.line), func() error { return e.holds(t, api) })
		} else if err := e.holds(t, api); err != nil {
			t.Error(err)
		}
	}
}

// holds runs an example and holds its answer against the one that is shown.
func (e *example) holds(t *testing.T, api string) error {
	out, err := e.run(t, api)
	if err == nil {
		err = e.check(out)
	}
	if err != nil {
		return fmt.Errorf("%s:%d: %w\n%sanswers\n%s", examplesFile, e.line, err, e.script, out)
	}
	return nil
}

// run runs an example in a shell whose curl fails where the answer is a refusal.
func (e *example) run(t *testing.T, api string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	const prelude = "curl() { command curl --silent --show-error --fail-with-body \"$@\"; }\n"
	cmd := exec.CommandContext(ctx, "sh", "-eu", "-c", prelude+e.script)
	cmd.Env = append(os.Environ(), "API="+api, "PATH="+filepath.Dir(program(t))+string(filepath.ListSeparator)+os.Getenv("PATH"))
	return cmd.Output()
}

func (e *example) check(out []byte) error {
	switch e.language {
	case "json":
		var want, got any
		if err := json.Unmarshal([]byte(e.out), &want); err != nil {
			return fmt.Errorf("the document's answer is no JSON: %w", err)
		}
		if err := json.Unmarshal(out, &got); err != nil {
			return err
		}
		return alike("answer", want, got)
	case "text":
		for _, line := range strings.Split(strings.TrimSpace(e.out), "\n") {
			if !bytes.Contains(out, []byte(strings.TrimSpace(line))) {
				return fmt.Errorf("%q is not in the answer", line)
			}
		}
	}
	return nil
}

// alike reports what of want is not in got, or is of another kind. Texts that are not empty, such as states, must
// begin the answer's.
func alike(path string, want, got any) error {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return fmt.Errorf("%s is %v, want an object", path, got)
		}
		for key, value := range w {
			have, ok := g[key]
			if !ok {
				return fmt.Errorf("%s has no %q", path, key)
			}
			if err := alike(path+"."+key, value, have); err != nil {
				return err
			}
		}
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) < len(w) {
			return fmt.Errorf("%s is %v, want a list of %d", path, got, len(w))
		}
		for i := range w {
			if err := alike(fmt.Sprintf("%s[%d]", path, i), w[i], g[i]); err != nil {
				return err
			}
		}
	case string:
		g, ok := got.(string)
		number := w != "" && strings.Trim(w, "0123456789") == "" // of 64 bits, in protobuf's JSON
		if !ok || !number && !strings.HasPrefix(g, w) {
			return fmt.Errorf("%s is %v, want %q", path, got, w)
		}
	case float64:
		if _, ok := got.(float64); !ok {
			return fmt.Errorf("%s is %v, want a number", path, got)
		}
	case bool:
		if _, ok := got.(bool); !ok {
			return fmt.Errorf("%s is %v, want true or false", path, got)
		}
	}
	return nil
}

// TestExamplesComplete: every procedure and address has an example that succeeds, and every reason that it
// names is in the list of errors.
func TestExamplesComplete(t *testing.T) {
	examples, text := readExamples(t)
	openAPI, err := os.ReadFile("../docs/build/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var described struct {
		Paths map[string]any `json:"paths"`
	}
	if err := json.Unmarshal(openAPI, &described); err != nil || len(described.Paths) < 20 {
		t.Fatal(len(described.Paths), err)
	}
	for path := range described.Paths {
		known := regexp.MustCompile(`\\\{[a-z]+\\\}`).ReplaceAllString(regexp.QuoteMeta(path), `[^/?" ]+`)
		if call := regexp.MustCompile(known + `(["?]|$)`); path != "/" && path != "/openapi.json" && !shown(examples, call) {
			t.Errorf("%s has no example in %s that succeeds", path, examplesFile)
		}
	}
	errors, err := os.ReadFile("../docs/build/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, reason := range regexp.MustCompile("`([A-Z]+(?:_[A-Z]+)+)`").FindAllStringSubmatch(string(text), -1) {
		if !bytes.Contains(errors, []byte("`"+reason[1]+"`")) {
			t.Errorf("%s is no reason", reason[1])
		}
	}
}
