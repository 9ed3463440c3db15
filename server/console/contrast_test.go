package console_test

import (
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Texts stand out from what they are on as WCAG 2.2 asks for at level AA: 4.5 to 1,
// and 3 to 1 for the edges of fields (success criteria 1.4.3 and 1.4.11).
func TestContrast(t *testing.T) {
	css, err := os.ReadFile("assets/console.css")
	if err != nil {
		t.Fatal(err)
	}
	light, dark, found := strings.Cut(string(css), "@media (prefers-color-scheme: dark)")
	if !found {
		t.Fatal("no dark colours")
	}
	dark, _, _ = strings.Cut(dark, "* {")
	for scheme, text := range map[string]string{"light": light, "dark": dark} {
		colours := map[string]float64{}
		for _, m := range regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{3,6});`).FindAllStringSubmatch(text, -1) {
			colours[m[1]] = luminance(t, m[2])
		}
		for _, pair := range []struct {
			text, on string
			least    float64
		}{
			{"ink", "back", 4.5}, {"ink", "card", 4.5}, {"ink", "field", 4.5}, {"ink", "code", 4.5}, {"ink", "hover", 4.5},
			{"dim", "back", 4.5}, {"dim", "card", 4.5}, {"dim", "field", 4.5}, {"dim", "code", 4.5},
			{"link", "back", 4.5}, {"link", "card", 4.5}, {"main-ink", "main", 4.5}, {"bad", "card", 4.5},
			{"good", "good-back", 4.5}, {"bad", "bad-back", 4.5}, {"info", "info-back", 4.5}, {"warn", "warn-back", 4.5},
			{"edge", "card", 3}, {"edge", "field", 3}, {"edge", "back", 3},
		} {
			text, known := colours[pair.text]
			on, alsoKnown := colours[pair.on]
			if !known || !alsoKnown {
				t.Fatalf("%s: no colour %s or %s", scheme, pair.text, pair.on)
			}
			if ratio := (max(text, on) + 0.05) / (min(text, on) + 0.05); ratio < pair.least {
				t.Errorf("%s: %s on %s: %.2f to 1", scheme, pair.text, pair.on, ratio)
			}
		}
	}
}

// luminance is the relative luminance of a colour as WCAG defines it.
func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	if len(hex) == 3 {
		hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
	}
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c := float64(n) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}
