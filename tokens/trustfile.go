package tokens

// TrustFileName returns the name, inside the key directory, of the public file
// that a registry of that service and token form is to trust. It says where the
// file will be, whether or not it was made yet.
func TrustFileName(service, form string, alg Algorithm) string {
	if form == FormKID {
		return staticStem(service, alg) + ".crt"
	}
	return caExportName
}
