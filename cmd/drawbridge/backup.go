package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"drawbridge/audit"
	"drawbridge/backup"
	"drawbridge/configs"
	"drawbridge/store"
	"drawbridge/tokens"

	"filippo.io/age"
	"github.com/spf13/cobra"
)

// backupFlags are the flags of `backup`.
type backupFlags struct {
	passphraseFile  string
	recipients      []string
	includeExternal bool
}

func newBackup() *cobra.Command {
	var flags backupFlags
	cmd := &cobra.Command{
		Use: "backup FILE", Short: "Write the whole state into one encrypted file, while the server runs",
		Long: `Writes the store (policy and its history, robots, sessions, revocations, audit),
and the signing keys and other files of data_dir into FILE, which must not exist.
FILE "-" is standard output.

The file is encrypted in the age format, for a passphrase or for the owner of an age
key: whoever can read it can sign tokens for anybody. Files outside of data_dir that
the configuration names are listed, and taken along with --include-external, as is
the configuration itself.

Run it where the server's data_dir is, as the server's user or as root. See
docs/backup.md.`,
		Args: cobra.ExactArgs(1),
	}
	output := addOutput(cmd)
	f := cmd.Flags()
	f.StringVar(&flags.passphraseFile, "passphrase-file", "", "file with the passphrase to encrypt with")
	f.StringArrayVar(&flags.recipients, "recipient", nil, "age public key to encrypt for (age1...); may be repeated")
	f.BoolVar(&flags.includeExternal, "include-external", false, "take files along that the configuration names outside of data_dir, secrets included")
	cmd.MarkFlagsMutuallyExclusive("passphrase-file", "recipient")
	cmd.MarkFlagsOneRequired("passphrase-file", "recipient")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		to, err := flags.to()
		if err != nil {
			return &exitError{code: 1, err: err}
		}
		m, err := openManaged(cmd)
		if err != nil {
			return err
		}
		defer m.close()
		b := &backupRun{managed: m, config: configPath(cmd), flags: flags, to: to}
		report, err := b.write(cmd.Context(), args[0], cmd.OutOrStdout())
		if err != nil {
			return refusedOrUnknown(fmt.Errorf("backup: %w", err))
		}
		m.audit.Act(cmd.Context(), audit.Event{Action: audit.BackupMade, Personal: audit.Personal{Target: "backup"}})
		out := cmd.OutOrStdout()
		if args[0] == "-" {
			out = cmd.ErrOrStderr()
		}
		return output.print(out, report, report.text)
	}
	return cmd
}

// to returns for whom the file is encrypted.
func (f backupFlags) to() ([]age.Recipient, error) {
	if f.passphraseFile != "" {
		phrase, err := backup.Passphrase(f.passphraseFile)
		if err != nil {
			return nil, err
		}
		r, err := backup.ForPassphrase(phrase)
		return []age.Recipient{r}, err
	}
	to, err := age.ParseRecipients(strings.NewReader(strings.Join(f.recipients, "\n")))
	if err != nil {
		return nil, errors.New("--recipient: not an age public key; age-keygen prints one, which begins with age1")
	}
	return to, nil
}

// backupRun is one run of the command.
type backupRun struct {
	*managed
	config string
	flags  backupFlags
	to     []age.Recipient
}

// write makes the backup in one piece: FILE is there when it is whole.
func (b *backupRun) write(ctx context.Context, path string, stdout io.Writer) (backupReport, error) {
	src, snapshot, err := b.collect(ctx)
	if err != nil {
		return backupReport{}, err
	}
	defer snapshot.Close() //nolint:errcheck // nothing was written
	report := backupReport{Manifest: src.Manifest, File: path}
	fill := func(w io.Writer) error {
		report.Contents, err = backup.Write(ctx, w, src, b.to...)
		return err
	}
	if path == "-" {
		return report, fill(stdout)
	}
	report.File = absolute(path)
	report.SHA256, err = backup.Create(path, fill)
	return report, err
}

// collect reads the files while no key may change, and begins the snapshot of the
// store in that time: it knows every key that is in the files, and how far each is.
func (b *backupRun) collect(ctx context.Context) (src backup.Source, snapshot *store.Snapshot, err error) {
	src.Manifest = backup.Manifest{Version: version, MadeAt: b.clock().UTC().Truncate(time.Second), Store: backup.SQLite}
	if b.store.Remote() {
		src.Manifest.Store = backup.PostgreSQL
	}
	src.Manifest.External = externalFiles(b.cfg, b.config)
	if b.flags.includeExternal {
		if src.Files, err = backup.ReadExternal(src.Manifest.External); err != nil {
			return src, nil, err
		}
	}
	keys := filepath.Join(b.cfg.DataDir, "keys")
	if _, err := os.Stat(keys); err != nil {
		return src, nil, fmt.Errorf("no server has made its keys in data_dir %s yet, so that there is nothing to back up: %w", b.cfg.DataDir, err)
	}
	err = tokens.Hold(ctx, keys, func() error {
		files, skipped, err := backup.ReadDataDir(b.cfg.DataDir, b.cfg.Audit.File)
		if err != nil {
			return fmt.Errorf("read data_dir: %w", err)
		}
		src.Files, src.Manifest.Skipped = append(src.Files, files...), skipped
		snapshot, err = b.store.Snapshot(ctx)
		return err
	})
	if err != nil {
		return src, nil, err
	}
	src.Rows, src.Manifest.Schema = snapshot, snapshot.Schema()
	return src, snapshot, nil
}

// externalFiles are the files outside of data_dir that the configuration names, and
// the configuration.
func externalFiles(cfg *configs.Config, config string) []backup.External {
	files := cfg.Files()
	if config != "" {
		files = append([]configs.NamedFile{{Key: "--config", Path: config}}, files...)
	}
	inside := absolute(cfg.DataDir) + string(filepath.Separator)
	found := []backup.External{}
	for _, f := range files {
		if path := absolute(f.Path); !strings.HasPrefix(path, inside) {
			found = append(found, backup.External{Key: f.Key, Path: path})
		}
	}
	return found
}
