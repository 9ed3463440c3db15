package testbed

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// commandPatience is how long a command may take to end.
const commandPatience = 2 * time.Minute

// Command is a command line of the drawbridge program that ran to its end.
type Command struct {
	Stdout, Stderr string
	// Code is the exit code: 0 yes, 1 no, 2 could not tell.
	Code int
}

// RunDrawbridge runs the program in the folder. Nothing is inherited but PATH:
// DRAWBRIDGE_* variables would override the file.
func RunDrawbridge(t testing.TB, dir, stdin string, args ...string) Command {
	t.Helper()
	return RunDrawbridgeWith(t, dir, stdin, nil, args...)
}

// RunDrawbridgeWith is [RunDrawbridge] with further variables, NAME=VALUE.
func RunDrawbridgeWith(t testing.TB, dir, stdin string, env []string, args ...string) Command {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), commandPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, serverProgram(t), args...) // #nosec G204 -- our own program
	var stdout, stderr output
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = dir, strings.NewReader(stdin), &stdout, &stderr
	cmd.Env = append([]string{"HOME=" + dir, "PATH=" + os.Getenv("PATH")}, env...)
	_ = cmd.Run() // the exit code is the answer
	if ctx.Err() != nil || cmd.ProcessState == nil {
		t.Fatalf("drawbridge %s did not run, or not to its end: %s", strings.Join(args, " "), stderr.String())
	}
	if strings.Contains(stderr.String(), "DATA RACE") {
		t.Errorf("the race detector found:\n%s", tail(stderr.String()))
	}
	return Command{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}
