package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"drawbridge/audit"
	"drawbridge/backup"
	"drawbridge/store"

	"filippo.io/age"
	"github.com/spf13/cobra"
)

// restoreFlags are the flags of `restore`.
type restoreFlags struct {
	passphraseFile, identity, externalTo string
	verify                               bool
}

func newRestore() *cobra.Command {
	var flags restoreFlags
	cmd := &cobra.Command{
		Use: "restore FILE", Short: "Restore a backup into an empty data_dir and an empty database",
		Long: `Reads the whole of FILE, checks it, and then fills the data_dir and the store that
--config names: all or nothing. Both must be empty, and no server may run on them. A
backup of SQLite restores into PostgreSQL, and the other way round.

  --verify            only check the file and say what is in it; needs no configuration
  --external-to DIR   only write the files that were outside of data_dir, below DIR,
                      for you to put in their places; needs no configuration

See docs/backup.md for what to do afterwards: what was revoked since the backup was
made is good again.`,
		Args: cobra.ExactArgs(1),
	}
	output := addOutput(cmd)
	f := cmd.Flags()
	f.StringVar(&flags.passphraseFile, "passphrase-file", "", "file with the passphrase that the backup was made with")
	f.StringVar(&flags.identity, "identity", "", "file with the age identity that the backup was made for")
	f.BoolVar(&flags.verify, "verify", false, "only check the file and say what is in it")
	f.StringVar(&flags.externalTo, "external-to", "", "only write the files that were outside of data_dir below this new folder")
	cmd.MarkFlagsMutuallyExclusive("passphrase-file", "identity")
	cmd.MarkFlagsOneRequired("passphrase-file", "identity")
	cmd.MarkFlagsMutuallyExclusive("verify", "external-to")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		report, err := flags.run(cmd, args[0])
		if err != nil {
			return refusedOrUnknown(fmt.Errorf("restore: %w", err))
		}
		return output.print(cmd.OutOrStdout(), report, report.text)
	}
	return cmd
}

// run does what the flags ask for.
func (f restoreFlags) run(cmd *cobra.Command, path string) (report backupReport, err error) {
	identities, err := f.identities()
	if err != nil {
		return report, err
	}
	file, err := os.Open(path) // #nosec G304 -- the operator's choice
	if err != nil {
		return report, err
	}
	defer file.Close() //nolint:errcheck // only read
	report.File = absolute(path)
	switch {
	case f.verify:
		report.Done = "The backup is whole, and opens with this key."
		report.Manifest, report.Contents, err = backup.Verify(file, identities...)
	case f.externalTo != "":
		report.Done = "The files are below " + absolute(f.externalTo) + "; put them where they were."
		report.Manifest, report.Contents, err = backup.ExtractExternal(file, f.externalTo, identities...)
	default:
		err = f.restore(cmd, file, &report, identities)
	}
	return report, err
}

func (f restoreFlags) identities() ([]age.Identity, error) {
	if f.identity != "" {
		return backup.ByIdentities(f.identity)
	}
	phrase, err := backup.Passphrase(f.passphraseFile)
	if err != nil {
		return nil, err
	}
	i, err := backup.ByPassphrase(phrase)
	return []age.Identity{i}, err
}

// restore fills what the configuration names, and writes it into the audit log that
// it has restored.
func (f restoreFlags) restore(cmd *cobra.Command, file io.ReadSeeker, report *backupReport, identities []age.Identity) error {
	cfg, err := loadConfig(cmd)
	if err != nil {
		return errors.Join(err, errors.New("the files that it names have to be in place first: see --external-to"))
	}
	target := backup.Target{DataDir: cfg.DataDir, Store: store.Options{URL: cfg.Store.URL, Log: errorLog(cmd.ErrOrStderr())}}
	report.Manifest, report.Contents, err = backup.Restore(cmd.Context(), file, target, identities...)
	if err != nil {
		return err
	}
	report.restored(time.Now())
	m, err := openManaged(cmd)
	if err != nil {
		return fmt.Errorf("everything is restored, but it cannot be opened: %w", err)
	}
	defer m.close()
	m.audit.Act(cmd.Context(), audit.Event{
		Action: audit.BackupRestored, Personal: audit.Personal{Target: "backup"}, Note: "the state of " + report.MadeAt.Format(time.RFC3339),
	})
	return nil
}
