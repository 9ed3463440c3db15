// Package doctor breaks a real setup in one way at a time and reads what
// `drawbridge doctor` says of it.
package doctor
