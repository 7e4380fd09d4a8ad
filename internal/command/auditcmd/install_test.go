package auditcmd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/leadgenctl/leadgenctl/internal/testenv"
)

func TestInstallPrintsUnitsWithoutSecrets(t *testing.T) {
	t.Parallel()
	cli := testenv.NewCLI(t, "postgres://app:hunter2@db/x", "redis://:hunter2@r")
	for flag, wants := range map[string][]string{
		"--systemd":    {"User=leadgenctl", "TimeoutStartSec=10min", "EnvironmentFile=/etc/leadgenctl/env", "OnCalendar=*:0/10", "audit run --fail-on=never"},
		"--cron":       {"*/10 * * * * leadgenctl ", "timeout 10m /usr/local/bin/leadgenctl audit run"},
		"--kubernetes": {`schedule: "*/10 * * * *"`, "secretRef: {name: leadgenctl}", "activeDeadlineSeconds: 600", "args: [audit, run, --fail-on=never"},
	} {
		o := cli.Expect(0, "audit", "install", flag, "--every", "10m")
		for _, want := range wants {
			if !strings.Contains(o.Stdout, want) {
				t.Errorf("%s lacks %q:\n%s", flag, want, o.Stdout)
			}
		}
		if strings.Contains(o.Stdout, "hunter2") || strings.Contains(o.Stdout, "textfile") {
			t.Errorf("%s holds a secret, or metrics that nobody asked for:\n%s", flag, o.Stdout)
		}
	}
	for _, bad := range []string{"", "--cron --systemd", "--cron --every 7m", "--cron --every 90s", "--cron --every x", "--cron --user a\tb", "--cron --binary /x;y",
		"--systemd --user=", "--systemd --binary=", "--systemd --env-file=", "--kubernetes --image=", "--systemd --binary leadgenctl", "--systemd --env-file env",
		"--systemd --textfile a.prom", "--cron --textfile /a/b.txt", "--cron --textfile /a/", "--kubernetes --textfile /a/b.prom"} {
		if o := cli.Expect(2, append([]string{"audit", "install"}, strings.FieldsFunc(bad, func(r rune) bool { return r == ' ' })...)...); o.Stdout != "" {
			t.Errorf("%s: %s", bad, o.Stdout)
		}
	}
}

// The units are what systemd understands, with metrics and without.
func TestSystemdUnderstandsTheUnits(t *testing.T) {
	t.Parallel()
	analyze, missing := exec.LookPath("systemd-analyze")
	cli := testenv.NewCLI(t, "", "")
	for _, textfile := range []string{"", "/var/lib/node_exporter/leadgenctl.prom"} {
		printed := cli.Expect(0, "audit", "install", "--systemd", "--user", "root", "--binary", testenv.Binary(t), "--textfile", textfile).Stdout
		service, timer, ok := strings.Cut(printed, "# /etc/systemd/system/leadgenctl-audit.timer\n")
		if !ok || strings.Contains(service, "ReadWritePaths=-/var/lib/node_exporter\n") != (textfile != "") {
			t.Fatal(printed)
		}
		for _, section := range []string{"[Unit]\n", "[Service]\n", "ExecStart="} {
			if strings.Count(service, section) != 1 || strings.Count(timer, "[Timer]\n") != 1 {
				t.Errorf("not one %q, or no timer:\n%s", section, printed)
			}
		}
		if missing != nil { // not on macOS, nor in a container: there only the text is looked at
			continue
		}
		dir := t.TempDir()
		for name, text := range map[string]string{"service": service, "timer": timer} {
			if err := os.WriteFile(filepath.Join(dir, "leadgenctl-audit."+name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command(analyze, "verify", "./leadgenctl-audit.service", "./leadgenctl-audit.timer")
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil || strings.Contains(string(out), "leadgenctl") {
			t.Errorf("%v: %s", err, out)
		}
	}
}

// The CronJob keeps its state in the volume that is claimed beside it, and nowhere else.
func TestTheCronJobKeepsItsState(t *testing.T) {
	t.Parallel()
	d := yaml.NewDecoder(strings.NewReader(testenv.NewCLI(t, "", "").Expect(0, "audit", "install", "--kubernetes").Stdout))
	var claim struct {
		Kind     string
		Metadata struct{ Name string }
	}
	var job struct {
		Kind string
		Spec struct {
			JobTemplate struct {
				Spec struct {
					Template struct{ Spec pod }
				}
			} `yaml:"jobTemplate"`
		}
	}
	for _, v := range []any{&claim, &job} {
		if err := d.Decode(v); err != nil {
			t.Fatal(err)
		}
	}
	p := job.Spec.JobTemplate.Spec.Template.Spec
	if claim.Kind != "PersistentVolumeClaim" || job.Kind != "CronJob" || len(p.Containers) != 1 || len(p.Volumes) != 1 || len(p.Containers[0].VolumeMounts) != 1 {
		t.Fatalf("%+v, %+v", claim, job)
	}
	c, v := p.Containers[0], p.Volumes[0]
	if v.Claim.Name != claim.Metadata.Name || c.VolumeMounts[0].Name != v.Name || c.VolumeMounts[0].Path != c.Env[0].Value || c.Env[0].Name != "XDG_STATE_HOME" {
		t.Errorf("%+v, %+v", claim, job)
	}
	if strings.Join(c.Args[:2], " ") != "audit run" || p.SecurityContext["fsGroup"] != p.SecurityContext["runAsUser"] {
		t.Errorf("%+v", p)
	}
}

// pod is what matters here of Kubernetes' PodSpec.
type pod struct {
	SecurityContext map[string]any `yaml:"securityContext"`
	Containers      []struct {
		Args         []string
		Env          []struct{ Name, Value string }
		VolumeMounts []struct {
			Name string
			Path string `yaml:"mountPath"`
		} `yaml:"volumeMounts"`
	}
	Volumes []struct {
		Name  string
		Claim struct {
			Name string `yaml:"claimName"`
		} `yaml:"persistentVolumeClaim"`
	}
}
