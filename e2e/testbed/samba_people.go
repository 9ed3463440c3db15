package testbed

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// Tool runs samba-tool on this controller's domain, and returns what it prints:
// s.Tool("user", "disable", "alice").
func (s *Samba) Tool(args ...string) string {
	s.t.Helper()
	out, err := sambaTool(s.config(), args...)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

// AddUser adds a person with the password that SeedPassword gives and returns the
// DN. The arguments are further ones of `samba-tool user create`.
func (s *Samba) AddUser(name string, args ...string) string {
	s.t.Helper()
	s.Tool(append([]string{"user", "create", name, SeedPassword(name)}, args...)...)
	return s.DN(name)
}

// AddGroup adds a global security group with members by DN and returns its DN.
// Its sAMAccountName is its name.
func (s *Samba) AddGroup(name string, members ...string) string {
	s.t.Helper()
	dns := s.AddGroups([]string{name}, members...)
	return dns[0]
}

// AddGroups adds many groups with the same members, on one connection.
func (s *Samba) AddGroups(names []string, members ...string) []string {
	s.t.Helper()
	dns := make([]string, len(names))
	s.asAdmin(func(conn *ldap.Conn) error {
		for i, name := range names {
			dns[i] = "CN=" + ldap.EscapeDN(name) + "," + sambaUsers
			req := ldap.NewAddRequest(dns[i], nil)
			req.Attribute("objectClass", []string{"group"})
			req.Attribute("sAMAccountName", []string{name})
			if len(members) > 0 {
				req.Attribute("member", members)
			}
			if err := conn.Add(req); err != nil {
				return err
			}
		}
		return nil
	})
	return dns
}

// DN returns the DN of the person or group with that sAMAccountName.
func (s *Samba) DN(account string) string {
	s.t.Helper()
	return s.Account(account, "distinguishedName").DN
}

// Account returns the entry with that sAMAccountName, as the administrator sees
// it.
func (s *Samba) Account(account string, attributes ...string) *ldap.Entry {
	s.t.Helper()
	var entry *ldap.Entry
	s.asAdmin(func(conn *ldap.Conn) error {
		result, err := conn.Search(&ldap.SearchRequest{
			BaseDN: s.BaseDN, Scope: ldap.ScopeWholeSubtree,
			Filter: "(sAMAccountName=" + ldap.EscapeFilter(account) + ")", Attributes: attributes,
		})
		if err == nil {
			if len(result.Entries) != 1 {
				s.t.Fatalf("%d entries have the sAMAccountName %q", len(result.Entries), account)
			}
			entry = result.Entries[0]
		}
		return err
	})
	return entry
}

// Referrals returns where a search of the whole domain refers to.
func (s *Samba) Referrals() []string {
	s.t.Helper()
	var refs []string
	s.asAdmin(func(conn *ldap.Conn) error {
		result, err := conn.Search(&ldap.SearchRequest{
			BaseDN: s.BaseDN, Scope: ldap.ScopeWholeSubtree, Filter: "(sAMAccountName=alice)", Attributes: []string{"1.1"},
		})
		if err == nil {
			refs = slices.Clone(result.Referrals)
		}
		return err
	})
	return refs
}

// Modify replaces an attribute; without values it is removed.
func (s *Samba) Modify(dn, attribute string, values ...string) {
	s.t.Helper()
	req := ldap.NewModifyRequest(dn, nil)
	req.Replace(attribute, values)
	s.asAdmin(func(conn *ldap.Conn) error { return conn.Modify(req) })
}

// Rename gives a person or a group another common name, which other entries then
// refer to, and returns the new DN.
func (s *Samba) Rename(dn, commonName string) string {
	s.t.Helper()
	// Samba reads no "=" in a value that is not escaped, which RFC 4514 permits.
	rdn := "CN=" + strings.ReplaceAll(ldap.EscapeDN(commonName), "=", `\3D`)
	s.asAdmin(func(conn *ldap.Conn) error {
		return conn.ModifyDN(ldap.NewModifyDNRequest(dn, rdn, true, ""))
	})
	return rdn + "," + sambaUsers
}

// BadPasswords returns how many wrong passwords the directory has counted for
// the person. It counts only while the domain has a lockout threshold.
func (s *Samba) BadPasswords(account string) string {
	s.t.Helper()
	return s.Account(account, "badPwdCount").GetAttributeValue("badPwdCount")
}

// OldPassword makes a person's password as old as a domain gets. The directory
// itself sets no such date, hence the database is written, with the control that
// Samba's own upgrades use for it.
func (s *Samba) OldPassword(account string) {
	s.t.Helper()
	program, err := sambaProgram("ldbmodify")
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.CommandContext(s.t.Context(), program, "-H", filepath.Join(s.dir, "private", "sam.ldb"), // #nosec G204 -- our own file
		"--controls=local_oid:1.3.6.1.4.1.7165.4.3.12:0")
	cmd.Stdin = strings.NewReader("dn: " + s.DN(account) + "\nchangetype: modify\n" +
		"replace: pwdLastSet\npwdLastSet: 130000000000000000\n") // a day of 2012
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Fatalf("ldbmodify: %v: %s", err, out)
	}
}

// asAdmin does operations as the domain's administrator.
func (s *Samba) asAdmin(op func(*ldap.Conn) error) {
	s.t.Helper()
	conn, err := s.admin()
	if err != nil {
		s.t.Fatalf("administer the domain: %v", err)
	}
	defer func() { _ = conn.Close() }()
	if err := op(conn); err != nil {
		s.t.Fatalf("administer the domain: %v", err)
	}
}
