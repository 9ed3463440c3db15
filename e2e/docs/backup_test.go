package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"drawbridge/e2e/testbed"

	"go.yaml.in/yaml/v3"
)

// docs/backup.md: its commands, beside a running server, with the page's paths in a
// folder of the test.
func TestBackupPage(t *testing.T) {
	t.Parallel()
	s := newShell(t, t.TempDir())
	s.run("mkdir -p etc/drawbridge backups")
	config := "data_dir: data\nserver: { addr: \"127.0.0.1:0\", telemetry_addr: \"127.0.0.1:0\" }\n" +
		"registries: [{ service: S, issuer: I }]\nconnectors: [{ name: local, type: htpasswd, file: etc/htpasswd }]\n"
	for name, text := range map[string]string{"etc/drawbridge/drawbridge.yaml": config, "etc/htpasswd": testbed.HTPasswd(t, "admin", "badmin")} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	here := func(text string) string {
		return strings.NewReplacer("/etc/drawbridge", "etc/drawbridge", "/var/backups/drawbridge", "backups", "/usr/bin/drawbridge", "drawbridge",
			"/usr/bin/find", "find").Replace(text)
	}
	s.background("drawbridge serve --config etc/drawbridge/drawbridge.yaml").find(t, `"msg":"ready"`)
	for _, step := range []struct{ block, prints string }{
		{"backup-make", "etc/htpasswd (connectors.0.file): NOT in the backup"},
		{"backup-recipient", "etc/htpasswd (connectors.0.file): in the backup"},
		{"backup-verify", "The backup is whole"},
		{"backup-external", "put them where they were"},
	} {
		if out := s.run(here(one(t, step.block))); !strings.Contains(out, step.prints) {
			t.Errorf("%s does not print %q:\n%s", step.block, step.prints, out)
		}
	}
	s.run("cmp etc/htpasswd external/" + s.dir + "/etc/htpasswd")

	// The timer's commands, as systemd would run them, and the line of cron.
	lines := strings.ReplaceAll(one(t, "backup-systemd"), "\\\n", " ")
	for _, command := range regexp.MustCompile(`(?m)^ExecStart=(.*)$`).FindAllStringSubmatch(lines, -1) {
		s.run(here(strings.NewReplacer("$$", "$", "%%", "%").Replace(command[1])))
	}
	cron := strings.SplitN(one(t, "backup-cron"), " ", 7)
	s.run(here(strings.ReplaceAll(cron[6], `\%`, "%")))
	if made := s.run("ls backups/2*.age | wc -l"); strings.TrimSpace(made) != "2" {
		t.Errorf("the timer and cron have made %s files", made)
	}

	if out := s.fail(1, here(one(t, "backup-restore"))); !strings.Contains(out, "is not empty") {
		t.Error(out)
	}
	if out := s.run("export DRAWBRIDGE_DATA_DIR=elsewhere\n" + here(one(t, "backup-restore"))); !strings.Contains(out, "Restored: the state of") {
		t.Error(out)
	}
	s.run("cmp data/keys/signing-ca.pem elsewhere/keys/signing-ca.pem")
}

// The CronJob's command line is one that the program takes: with its paths in a folder
// of the test, it makes a backup.
func TestBackupCronJob(t *testing.T) {
	t.Parallel()
	var job struct {
		Spec struct {
			JobTemplate struct {
				Spec struct {
					Template struct {
						Spec struct {
							Containers []struct{ Args []string }
						}
					}
				}
			} `yaml:"jobTemplate"`
		}
	}
	if err := yaml.Unmarshal([]byte(one(t, "backup-kubernetes")), &job); err != nil {
		t.Fatal(err)
	}
	server := testbed.StartDrawbridge(t, testbed.ServerOptions{Config: rest, Files: listeningFiles(t)})
	server.WriteFile("passphrase", "a passphrase of some length")
	containers := job.Spec.JobTemplate.Spec.Template.Spec.Containers
	if len(containers) != 1 {
		t.Fatalf("%d containers", len(containers))
	}
	args := strings.NewReplacer("/etc/drawbridge/", "", "/run/backup/", "", "/backups/", "", "$(JOB)", "job").Replace(strings.Join(containers[0].Args, "\n"))
	if got := testbed.RunDrawbridge(t, server.Dir, "", strings.Split(args, "\n")...); got.Code != 0 || !strings.Contains(got.Stdout, "job.age") {
		t.Errorf("%+v", got)
	}
}
