// Package trust reads certificates from PEM files: the authorities that a connection
// trusts, and the signing CA with its chain.
//
// A file that holds one certificate Go cannot use is refused as a whole, and the
// error names that certificate: to pass over it, as [x509.CertPool] does, would
// leave out the one authority that was meant and say so only in failed connections.
// PEM blocks of other kinds and text between the blocks are passed over.
package trust
