package configs

import (
	"fmt"
	"reflect"
	"strings"
)

// NamedFile is a file that a configuration names, to be read.
type NamedFile struct{ Key, Path string }

// Files returns the files that the configuration names, in the order of the keys. They
// follow from the names of the keys, so that there is no second list of them to forget.
// The audit log, which is written, is none of them.
func (c *Config) Files() []NamedFile { return filesOf(reflect.ValueOf(*c), "") }

func filesOf(v reflect.Value, prefix string) (found []NamedFile) {
	for i := range v.NumField() {
		key, squash := tagOf(v.Type().Field(i))
		value, path := v.Field(i), prefix+key
		switch {
		case key == "-", path == "audit.file":
		case squash:
			found = append(found, filesOf(value, prefix)...)
		case value.Kind() == reflect.Struct && value.Type().PkgPath() == v.Type().PkgPath():
			found = append(found, filesOf(value, path+".")...)
		case value.Kind() == reflect.Slice && value.Type().Elem().Kind() == reflect.Struct:
			for n := range value.Len() {
				found = append(found, filesOf(value.Index(n), fmt.Sprintf("%s.%d.", path, n))...)
			}
		case value.Kind() == reflect.String && value.String() != "" && (key == "file" || strings.HasSuffix(key, "_file")):
			found = append(found, NamedFile{path, value.String()})
		}
	}
	return found
}
