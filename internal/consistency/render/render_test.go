package render_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mattn/go-runewidth"
	_ "github.com/owenrumney/go-sarif/v3/pkg/report/v210/sarif" // for its schema
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/xeipuuv/gojsonschema"
	"go.yaml.in/yaml/v3"

	"github.com/leadgenctl/leadgenctl/internal/consistency"
	"github.com/leadgenctl/leadgenctl/internal/consistency/render"
	"github.com/leadgenctl/leadgenctl/internal/servers"
	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

// nasty holds every status, and what names of keys may hold.
func nasty() *consistency.Report {
	r := &consistency.Report{StartedAt: time.Date(2026, 11, 23, 14, 0, 0, 0, time.UTC), DurationMS: 12.5, Version: "1.2.3"}
	add := func(id string, s consistency.Status, n int64, msg string, samples ...string) {
		c := consistency.Find(id)
		r.Checks = append(r.Checks, consistency.Result{ID: id, Family: c.Family, Title: c.Title, Severity: c.Severity, Status: s, Count: n,
			Samples: append([]string{}, samples...), Remedy: c.Remedy, Message: msg, DurationMS: 1.5})
	}
	add("LGB001", consistency.Pass, 0, "")
	add("LGB004", consistency.Fail, 7, "", "celery\x06\x16\x063: a|b <c> ]]> *d* `e`", "50% of\nlines: \"x\", \\ \xff")
	add("LGQ001", consistency.Errored, 0, "no connection: \x00 <&>")
	add("LGC001", consistency.Fail, 2, "", "campaign 1", "campaign 2")
	add("LGC002", consistency.Skip, 0, "left out by --skip")
	add("LGE003", consistency.Pass, 1, "for information", "role postgres: superuser")
	r.Summary = consistency.Summary{Pass: 2, Fail: 2, Error: 1, Skip: 1}
	return r
}

func write(t *testing.T, format string) string {
	t.Helper()
	var b bytes.Buffer
	if err := render.Write(&b, format, nasty(), render.Options{FailOn: consistency.FailOnError}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestJUnitCountsAndEscapes(t *testing.T) {
	t.Parallel()
	out := write(t, "junit")
	var doc struct {
		XMLName  xml.Name `xml:"testsuites"`
		Tests    int      `xml:"tests,attr"`
		Failures int      `xml:"failures,attr"`
		Errors   int      `xml:"errors,attr"`
		Suites   []struct {
			Skipped   int    `xml:"skipped,attr"`
			Timestamp string `xml:"timestamp,attr"`
			Cases     []struct {
				Name  string `xml:"name,attr"`
				Class string `xml:"classname,attr"`
				Parts []struct {
					XMLName xml.Name
				} `xml:",any"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	if doc.Tests != 6 || doc.Failures != 1 || doc.Errors != 1 || len(doc.Suites) != 4 {
		t.Errorf("%+v", doc)
	}
	skipped := 0
	for _, s := range doc.Suites {
		skipped += s.Skipped
		if s.Timestamp != "2026-11-23T14:00:00" {
			t.Errorf("%+v", s)
		}
		for _, c := range s.Cases {
			if c.Name == "" || c.Class == "" || len(c.Parts) > 1 {
				t.Errorf("%+v", c)
			}
		}
	}
	if skipped != 1 {
		t.Errorf("%d skipped", skipped)
	}
	python, err := servers.Python()
	if err != nil {
		t.Fatal(err)
	}
	validate := exec.Command(python, "-c", "import sys; from lxml import etree; etree.XMLSchema(file=sys.argv[1]).assertValid(etree.fromstring(sys.stdin.buffer.read()))",
		filepath.Join(testenv.Root(), "testdata", "junit", "junit.xsd"))
	validate.Stdin = strings.NewReader(out)
	if said, err := validate.CombinedOutput(); err != nil {
		t.Errorf("the schema: %v: %s", err, said)
	}
	if regexp.MustCompile(`[\x00-\x08\x0b\x0c\x0e-\x1f]`).MatchString(out) {
		t.Error("a control character that XML 1.0 forbids")
	}
}

// Every field that GitHub wants, and a file behind every result.
func TestSARIFIsWhatGitHubTakes(t *testing.T) {
	t.Parallel()
	var doc struct {
		Schema  string `json:"$schema"`
		Version string
		Runs    []struct {
			Tool struct {
				Driver struct {
					Name  string
					Rules []struct {
						ID                                      string
						ShortDescription, FullDescription, Help struct{ Text string }
					}
				}
			}
			AutomationDetails struct{ ID string }
			Results           []struct {
				RuleID, Level string
				Message       struct{ Text string }
				Locations     []struct {
					PhysicalLocation *struct {
						ArtifactLocation struct{ URI string }
						Region           struct{ StartLine, StartColumn, EndLine, EndColumn int }
					}
				}
				PartialFingerprints map[string]string
			}
			Invocations []struct{ ExecutionSuccessful bool }
		}
	}
	out := write(t, "sarif")
	result, err := gojsonschema.Validate(gojsonschema.NewStringLoader(sarifSchema(t)), gojsonschema.NewStringLoader(out))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range result.Errors() {
		t.Errorf("the schema of SARIF 2.1.0: %s", e)
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil || doc.Version != "2.1.0" || doc.Schema == "" || len(doc.Runs) != 1 {
		t.Fatalf("%v %+v", err, doc)
	}
	run := doc.Runs[0]
	rules := map[string]bool{}
	for _, r := range run.Tool.Driver.Rules {
		rules[r.ID] = true
		for _, text := range []string{r.ShortDescription.Text, r.FullDescription.Text, r.Help.Text} {
			if text == "" || len(text) > 1024 {
				t.Errorf("rule %s: a text of %d bytes", r.ID, len(text))
			}
		}
	}
	prints := map[string]bool{}
	for _, r := range run.Results {
		if !rules[r.RuleID] || r.Message.Text == "" || len(r.Locations) != 1 || r.Locations[0].PhysicalLocation == nil ||
			r.Locations[0].PhysicalLocation.ArtifactLocation.URI == "" || r.Locations[0].PhysicalLocation.Region.StartLine != 1 {
			t.Errorf("%+v", r)
		}
		prints[r.PartialFingerprints["primaryLocationLineHash"]] = true
	}
	if len(run.Results) != 5 || len(prints) != 5 || run.Invocations[0].ExecutionSuccessful || run.AutomationDetails.ID == "" {
		t.Errorf("%d results, %d fingerprints", len(run.Results), len(prints))
	}
}

// sarifSchema is OASIS' schema, which go-sarif carries in its source: its own validation is
// of what it has read, and not of the bytes.
func sarifSchema(t *testing.T) string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/owenrumney/go-sarif/v3").Output()
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "pkg", "report", "v210", "sarif", "schema.go"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(source), "`")
	schema, _, ok := strings.Cut(rest, "`")
	if !ok {
		t.Fatal("go-sarif carries the schema no more")
	}
	return schema
}

func TestGitHubAnnotationsAreOneLineEach(t *testing.T) {
	t.Parallel()
	lines := strings.Split(strings.TrimSpace(write(t, "github")), "\n")
	want := []string{"::warning title=LGB004", "::error title=LGQ001", "::error title=LGC001", "::notice title=LGE003"}
	if len(lines) != len(want) {
		t.Fatalf("%q", lines)
	}
	for i, l := range lines {
		if !strings.HasPrefix(l, want[i]) || !strings.Contains(l, "::") || strings.ContainsAny(l, "\r\x06") {
			t.Errorf("%q", l)
		}
	}
	if !strings.Contains(lines[0], "%0A") || !strings.Contains(lines[0], "50%25 of") {
		t.Errorf("%q", lines[0])
	}
}

// Prometheus' own parser reads it; promtool looks at names and help where it is installed.
func TestPrometheusReadsTheMetrics(t *testing.T) {
	t.Parallel()
	out := write(t, "prometheus")
	parser := expfmt.NewTextParser(model.LegacyValidation)
	metrics, err := parser.TextToMetricFamilies(strings.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	for name, m := range metrics {
		for _, v := range m.Metric {
			if v.TimestampMs != nil || m.GetHelp() == "" {
				t.Errorf("%s: a timestamp, or no help", name)
			}
		}
	}
	if !strings.Contains(out, `leadgenctl_check_findings{check="LGC001",family="campaign",severity="error"} 2`) {
		t.Error(out)
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatal("promtool is needed: make setup installs it")
	}
	cmd := exec.Command(promtool, "check", "metrics")
	cmd.Stdin = strings.NewReader(out)
	if out, err := cmd.CombinedOutput(); err != nil || len(bytes.TrimSpace(out)) > 0 {
		t.Errorf("%v: %s", err, out)
	}
}

func TestJSONAndYAMLHoldTheSame(t *testing.T) {
	t.Parallel()
	var a, b any
	if err := json.Unmarshal([]byte(write(t, "json")), &a); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte(write(t, "yaml")), &b); err != nil {
		t.Fatal(err)
	}
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	if !bytes.Equal(x, y) {
		t.Errorf("%s\n%s", x, y)
	}
}

func TestPeopleSeeWhatToDo(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"table", "markdown"} {
		out := write(t, format)
		for _, want := range []string{"LGC001", "campaign 1", "What to do", "resolve-paused", "could not run"} {
			if !strings.Contains(out, want) {
				t.Errorf("%s lacks %q: %s", format, want, out)
			}
		}
	}
}

// A result keeps its fingerprint while its text changes, and one that the baseline covers is suppressed.
func TestSARIFKnowsAResultAgain(t *testing.T) {
	t.Parallel()
	type found struct {
		PartialFingerprints map[string]string
		Suppressions        []struct{ Kind, Status, Justification string }
	}
	results := func(ttl string) []found {
		c := consistency.Result{ID: "LGB004", Status: consistency.Fail, Severity: consistency.Warning, Title: "t", Count: 2, Known: 1, KnownReason: "until \x1b Friday"}
		for _, key := range []string{"a", "b"} {
			name := key + " expires in " + ttl
			c.Samples = append(c.Samples, name)
			c.Subjects = append(c.Subjects, consistency.Subject{ID: consistency.SubjectID(c.ID, key), Name: name, Known: key == "b"})
		}
		var b bytes.Buffer
		if err := render.Write(&b, "sarif", &consistency.Report{Checks: []consistency.Result{c}}, render.Options{}); err != nil {
			t.Fatal(err)
		}
		check, err := gojsonschema.Validate(gojsonschema.NewStringLoader(sarifSchema(t)), gojsonschema.NewStringLoader(b.String()))
		if err != nil || !check.Valid() {
			t.Errorf("the schema of SARIF 2.1.0: %v %v", err, check)
		}
		var doc struct{ Runs []struct{ Results []found } }
		if err := json.Unmarshal(b.Bytes(), &doc); err != nil {
			t.Fatal(err)
		}
		return doc.Runs[0].Results
	}
	first, second := results("3s"), results("2s")
	for i := range first {
		if first[i].PartialFingerprints["primaryLocationLineHash"] != second[i].PartialFingerprints["primaryLocationLineHash"] {
			t.Errorf("%d: %v, then %v", i, first[i], second[i])
		}
	}
	if len(first[0].Suppressions) != 0 || len(first[1].Suppressions) != 1 || first[1].Suppressions[0].Kind != "external" || first[1].Suppressions[0].Justification != "until � Friday" {
		t.Errorf("%+v", first)
	}
}

// On a terminal no line is longer than it is wide; in a pipe none is broken.
func TestTheTableFitsTheTerminal(t *testing.T) {
	t.Parallel()
	r := nasty()
	key := "{circuit_breaker:global}:" + strings.Repeat("漢字kanji", 30)
	r.Checks[1].Samples[0] = "campaign \x1b[2J\n  - campaign 9 is fine"
	r.Checks[1].Samples[1] = "key " + key
	r.Checks[2].Message = "no connection: " + strings.Repeat("again and ", 20) + "again"
	for _, c := range consistency.Catalogue() {
		r.Checks = append(r.Checks, consistency.Result{ID: c.ID, Title: c.Title, Severity: c.Severity, Status: consistency.Fail, Count: 1234567, Known: 1234567, Remedy: c.Remedy, Fixable: true})
	}
	for _, width := range []int{0, 60, 80} {
		var b bytes.Buffer
		if err := render.Write(&b, "table", r, render.Options{Width: width}); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(b.String(), "\x1b\x00") || strings.Contains(b.String(), "\n  - campaign 9") {
			t.Errorf("what a row holds is shown as it is: %q", b.String())
		}
		if width == 0 {
			for _, c := range r.Checks {
				if c.Status == consistency.Fail && !strings.Contains(b.String(), "\n  What to do: "+c.Remedy+"\n") {
					t.Errorf("%s: broken in a pipe", c.ID)
				}
			}
			if !strings.Contains(b.String(), "  - key "+key+"\n") || !strings.Contains(b.String(), "again and again\n") {
				t.Errorf("broken in a pipe: %s", b.String())
			}
			continue
		}
		for line := range strings.Lines(b.String()) {
			if runewidth.StringWidth(strings.TrimSuffix(line, "\n")) > width {
				t.Errorf("wider than %d: %q", width, line)
			}
		}
		if bare := strings.Join(strings.Fields(b.String()), ""); !strings.Contains(bare, strings.ReplaceAll(key, " ", "")) {
			t.Errorf("%d columns: the key is not whole: %s", width, b.String())
		}
	}
}

// What a row holds is no markup: neither a link, nor an image, nor a name that is called.
func TestMarkdownShowsRowsAsTheyAre(t *testing.T) {
	t.Parallel()
	r := nasty()
	r.Checks[1].Samples = []string{"![i](http://evil/p.png) [l](http://evil)", "# a _b_ ~~c~~ &amp; \\* @somebody https://evil", "a ``` b `", "``` sh", "x\ny"}
	r.Checks[2].Message = "<img src=http://evil>"
	var b bytes.Buffer
	if err := render.Write(&b, "markdown", r, render.Options{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"- `![i](http://evil/p.png) [l](http://evil)`", "- `# a _b_ ~~c~~ &amp; \\* @somebody https://evil`", "- ```` a ``` b ` ````", "- ```` ``` sh ````", "- `x y`", "`<img src=http://evil>`"} {
		if !strings.Contains(b.String(), "\n"+want+"\n") {
			t.Errorf("no line %s in %s", want, b.String())
		}
	}
}
