// Package ad tests the LDAP connector against a real Active Directory domain
// controller, Samba's: what Active Directory does otherwise than OpenLDAP.
package ad
