package limits

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"drawbridge/e2e/testbed"
)

// limit is a row of docs/limits.md and what shows it.
type limit struct {
	// much and over are what the row says, or the beginning of that: a test that
	// expects something else than the page fails.
	much, over string
	// usual meets the limit at a server with the usual settings, own at one of its own;
	// else unit has a folder and the names of the tests there that do.
	usual func(*world)
	own   func(*testing.T)
	unit  []string
}

// row is one of the page's.
type row struct{ much, over string }

func rows(t *testing.T) map[string]row {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(testbed.Root(t), "docs", "limits.md"))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]row{}
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		name := regexp.MustCompile("^ `([a-z-]+)` $").FindStringSubmatch(cells[0])
		if name == nil {
			continue
		}
		if _, twice := found[name[1]]; twice || len(cells) != 4 {
			t.Fatalf("the row %s is there twice, or has not four cells", name[1])
		}
		found[name[1]] = row{strings.TrimSpace(cells[2]), strings.TrimSpace(cells[3])}
	}
	return found
}

// Each row of the page has a test, and each test a row that says the same.
func TestLimits(t *testing.T) {
	t.Parallel()
	page, tested, shared := rows(t), limits(), start(t, "")
	for name := range page {
		if _, ok := tested[name]; !ok {
			t.Errorf("docs/limits.md has the row %s, and nothing tests it", name)
		}
	}
	for name, l := range tested {
		says, ok := page[name]
		if !ok || !strings.HasPrefix(says.much, l.much) || !strings.HasPrefix(says.over, l.over) {
			t.Errorf("%s: docs/limits.md says %+v, and the test shows %q and %q", name, says, l.much, l.over)
		}
		switch {
		case l.usual != nil:
			t.Run(name, func(t *testing.T) { t.Parallel(); l.usual(&world{t, shared.Server}) })
		case l.own != nil:
			t.Run(name, func(t *testing.T) { t.Parallel(); l.own(t) })
		default:
			for _, test := range l.unit[1:] {
				if !testbed.HasTest(t, l.unit[0], test) {
					t.Errorf("%s: %s has no %s", name, l.unit[0], test)
				}
			}
		}
	}
}

// usual is a limit of the usual settings.
func usual(much, over string, try func(*world)) limit {
	return limit{much: much, over: over, usual: try}
}

// own is a limit that needs a server of its own.
func own(much, over string, try func(*testing.T)) limit {
	return limit{much: much, over: over, own: try}
}

// unit is a limit that tests beside the code show.
func unit(much, over, folder string, tests ...string) limit {
	return limit{much: much, over: over, unit: append([]string{folder}, tests...)}
}

func limits() map[string]limit {
	return map[string]limit{
		"wrong-passwords": own("`limits.login_failures_per_minute`: 10", "429 with `Retry-After`", wrongPasswords),
		"password-flood":  own("ten times as many", "429 with `Retry-After`", passwordFlood),
		"address-rate":    own("`limits.requests_per_second`: off", "429 with `Retry-After`", addressRate),
		"account-rate":    own("`limits.account_requests_per_second`: off", "429 with `Retry-After`", accountRate),
		"gateways":        own("no limit", "never 429", gateways),

		"connections":   own("`limits.connections`: 4096", "waits", connections),
		"header-size":   own("64 KiB", "431", headerSize),
		"header-time":   own("10 s each", "closed", headerTime),
		"request-time":  unit("30 s", "closed", "server", "TestServeBoundsTimes", "TestTimesOfThePage"),
		"answer-time":   unit("60 s", "closed", "server", "TestServeBoundsTimes", "TestTimesOfThePage"),
		"idle-time":     unit("120 s", "closed", "server", "TestServeBoundsTimes", "TestTimesOfThePage"),
		"api-body-time": own("5 s", "408", apiBodyTime),

		"token-form":      own("64 KiB", "413", tokenForm),
		"scopes":          usual("100", "400", scopes),
		"scope-length":    usual("2 KiB", "400", scopeLength),
		"field-length":    usual("1 KiB", "400", fieldLength),
		"token-size":      usual("7.5 KB", "413", tokenSize),
		"username":        usual("256 bytes", "401", username),
		"password":        usual("4 KiB", "401", password),
		"repository-name": usual("255 bytes", "200", repositoryName),
		"oauth-form":      usual("64 KiB", "400", oauthForm),
		"api-body":        usual("1 MiB", "413", apiBody),
		"policy-document": own("16 MiB", "422", policyDocument),
		"policy-body":     usual("32 MiB", "413", policyBody),
		"robot-name":      usual("64 characters", "422", robotName),
		"sign-in-form":    usual("64 KiB", "413", signInForm),
		"console-form":    usual("4 MiB", "413", consoleForm),
		"request-id":      own("128 characters", "200", requestID),

		"password-checks":  own("all processors but one, and 5 s of waiting", "503 with `Retry-After`", passwordChecks),
		"directory-logins": unit("8 for searches and 32 for passwords", "503 with `Retry-After`", "connectors/ldap", "TestPoolIsBounded"),
		"remembered":       unit("64 MiB", "forgets", "cache", "TestMemoryIsBounded", "TestMemoryFloodKeepsWhatIsUsed"),
		"counted":          unit("100,000 of each", "forgets", "cache", "TestMemoryRateIsBounded", "TestMemoryBudgetIsBounded"),
		"audit-events":     unit("8,192 for each", "counts it", "audit", "TestStoreIsDown", "TestFullDisk"),
		"redis-time":       unit("250 ms", "goes on without", "e2e/faults", "TestRedisAway"),
	}
}
