package audit_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"drawbridge/audit"

	"github.com/google/go-cmp/cmp"
)

// fill sets every field that can be set: a field that is added later is in it.
func fill(v reflect.Value, text string) {
	switch v.Kind() {
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Date(2026, 11, 21, 12, 0, 0, 1_000_000, time.UTC)))
			return
		}
		for i := range v.NumField() {
			fill(v.Field(i), fmt.Sprint(text, i))
		}
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i), fmt.Sprint(text, "-", i))
		}
	default:
		panic("a kind of field that this test does not know: " + v.Kind().String())
	}
}

func TestAppendJSON(t *testing.T) {
	var full audit.Event
	fill(reflect.ValueOf(&full).Elem(), "x")
	if diff := sameJSON(t, full); diff != "" {
		t.Error(diff)
	}
	if diff := sameJSON(t, audit.Event{Time: time.Unix(0, 0).UTC()}); diff != "" {
		t.Errorf("without anything: %s", diff)
	}
}

// sameJSON compares what AppendJSON and encoding/json make of an event, as text and
// as somebody reads it.
func sameJSON(t *testing.T, e audit.Event) string {
	t.Helper()
	want, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	got := e.AppendJSON(nil)
	if diff := cmp.Diff(keys(t, want), keys(t, got)); diff != "" {
		return diff
	}
	var read, meant audit.Event
	if err := json.Unmarshal(got, &read); err != nil {
		return err.Error()
	}
	if err := json.Unmarshal(want, &meant); err != nil {
		t.Fatal(err)
	}
	return cmp.Diff(meant, read)
}

// keys are the names in an object with their values.
func keys(t *testing.T, object []byte) map[string]any {
	t.Helper()
	var names map[string]any
	if err := json.Unmarshal(object, &names); err != nil {
		t.Fatalf("%v: %s", err, object)
	}
	return names
}

func FuzzAppendJSON(f *testing.F) {
	for _, text := range []string{"", "alice", `a"b\\c`, "jürgen\x00\n", "\xff\xfe", "<script>&", "\u2028", "\x7f"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var e audit.Event
		fill(reflect.ValueOf(&e).Elem(), text)
		if diff := sameJSON(t, e); diff != "" {
			t.Error(diff)
		}
	})
}

func BenchmarkAppendJSON(b *testing.B) {
	e := audit.Event{
		Time: time.Now(), ID: "ABCDEFGHIJKLMNOP-00000001", Action: audit.TokenIssued, Outcome: audit.Success,
		Personal:   audit.Personal{User: "corp/alice", Groups: []string{"corp/payments-dev"}, SourceIP: "192.0.2.1", UserAgent: "docker/28.2.2"},
		DecisionID: "0123456789abcdefghijkl", Requested: []string{"repository:payments/api:pull,push"},
	}
	var line []byte
	for b.Loop() {
		line = e.AppendJSON(line[:0])
	}
}
