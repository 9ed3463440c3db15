package testbed

import (
	"github.com/go-ldap/ldap/v3"
)

// Person is an inetOrgPerson to add.
type Person struct {
	UID      string
	Password string // empty: SeedPassword(UID)
	Mail     string
	// Policy is the password policy: empty for the default, which locks nobody,
	// PolicyStrict, or PolicyExpiring.
	Policy string
	// MustChange sets pwdReset, as an administrator who gave a new password does.
	MustChange bool
	// Attributes are further ones.
	Attributes map[string][]string
}

// The password policies beside the default.
const (
	PolicyStrict   = "strict"   // locks after 3 wrong passwords, must change after a reset
	PolicyExpiring = "expiring" // a password lives for one second
)

// SeedPassword is the password of a seeded person.
func SeedPassword(uid string) string { return "pw-" + uid }

// PersonDN returns the DN of the person.
func (s *Slapd) PersonDN(uid string) string { return "uid=" + ldap.EscapeDN(uid) + "," + peopleOU }

// GroupDN returns the DN of the group.
func (s *Slapd) GroupDN(cn string) string { return "cn=" + ldap.EscapeDN(cn) + "," + groupsOU }

// AddPerson adds a person under ou=people and returns the DN.
func (s *Slapd) AddPerson(p Person) string {
	s.t.Helper()
	req := ldap.NewAddRequest(s.PersonDN(p.UID), nil)
	password := p.Password
	if password == "" {
		password = SeedPassword(p.UID)
	}
	req.Attribute("objectClass", []string{"inetOrgPerson"})
	req.Attribute("uid", []string{p.UID})
	req.Attribute("cn", []string{"Name of " + p.UID})
	req.Attribute("sn", []string{"Surname"})
	req.Attribute("userPassword", []string{password})
	if p.Mail != "" {
		req.Attribute("mail", []string{p.Mail})
	}
	if p.Policy != "" {
		req.Attribute("pwdPolicySubentry", []string{policyDN(p.Policy)})
	}
	for name, values := range p.Attributes {
		req.Attribute(name, values)
	}
	s.asAdmin(func(conn *ldap.Conn) error { return conn.Add(req) })
	if p.MustChange {
		s.Modify(req.DN, "pwdReset", "TRUE")
	}
	return req.DN
}

// AddGroup adds a groupOfNames under ou=groups, with at least one member, and
// returns the DN.
func (s *Slapd) AddGroup(cn string, members ...string) string {
	s.t.Helper()
	req := ldap.NewAddRequest(s.GroupDN(cn), nil)
	req.Attribute("objectClass", []string{"groupOfNames"})
	req.Attribute("cn", []string{cn})
	req.Attribute("member", members)
	s.asAdmin(func(conn *ldap.Conn) error { return conn.Add(req) })
	return req.DN
}

// Add adds any entry.
func (s *Slapd) Add(dn string, attributes map[string][]string) {
	s.t.Helper()
	req := ldap.NewAddRequest(dn, nil)
	for name, values := range attributes {
		req.Attribute(name, values)
	}
	s.asAdmin(func(conn *ldap.Conn) error { return conn.Add(req) })
}

// Modify replaces an attribute; without values it is removed.
func (s *Slapd) Modify(dn, attribute string, values ...string) {
	s.t.Helper()
	req := ldap.NewModifyRequest(dn, nil)
	req.Replace(attribute, values)
	s.asAdmin(func(conn *ldap.Conn) error { return conn.Modify(req) })
}

// Rename gives the entry another first component, such as uid=robert.
func (s *Slapd) Rename(dn, newRDN string) {
	s.t.Helper()
	s.asAdmin(func(conn *ldap.Conn) error {
		return conn.ModifyDN(ldap.NewModifyDNRequest(dn, newRDN, false, ""))
	})
}

// Move puts the entry under another one.
func (s *Slapd) Move(dn, rdn, newParent string) {
	s.t.Helper()
	s.asAdmin(func(conn *ldap.Conn) error {
		return conn.ModifyDN(ldap.NewModifyDNRequest(dn, rdn, false, newParent))
	})
}

// Delete removes the entry.
func (s *Slapd) Delete(dn string) {
	s.t.Helper()
	s.asAdmin(func(conn *ldap.Conn) error { return conn.Del(ldap.NewDelRequest(dn, nil)) })
}

// asAdmin does one operation as the administrator.
func (s *Slapd) asAdmin(op func(*ldap.Conn) error) {
	s.t.Helper()
	conn, err := s.admin()
	if err != nil {
		s.t.Fatalf("administer slapd: %v", err)
	}
	defer func() { _ = conn.Close() }()
	if err := op(conn); err != nil {
		s.t.Fatalf("administer slapd: %v", err)
	}
}

func policyDN(name string) string { return "cn=" + name + "," + policiesOU }

// SeedPeople are the seeded usernames; SeedPassword gives the passwords.
func SeedPeople() []string {
	return []string{"alice", "bob", "carol", "dave", "jürgen", "bob (ops)", "o'neil", "x,y", "a*b"}
}

// seed adds the tree, the service account, the policies, the people and the
// groups:
//
//	payments-dev   alice, bob, jürgen
//	ops            bob (ops), o'neil, x,y, a*b
//	team           carol;  dept has team, division has dept: three deep
//	loop-a         dave, loop-b;  loop-b has loop-a: a cycle
func (s *Slapd) seed() {
	s.t.Helper()
	s.Add(SlapdBaseDN, map[string][]string{
		"objectClass": {"dcObject", "organization"}, "dc": {"corp"}, "o": {"Corp"},
	})
	for _, ou := range []string{"people", "groups", "policies", "services", "contractors"} {
		s.Add("ou="+ou+","+SlapdBaseDN, map[string][]string{"objectClass": {"organizationalUnit"}, "ou": {ou}})
	}
	s.seedPolicy("default", nil)
	s.seedPolicy(PolicyStrict, map[string][]string{
		"pwdLockout": {"TRUE"}, "pwdMaxFailure": {"3"}, "pwdMustChange": {"TRUE"},
	})
	s.seedPolicy(PolicyExpiring, map[string][]string{"pwdMaxAge": {"1"}})
	s.Add(serviceDN, map[string][]string{
		"objectClass": {"organizationalRole", "simpleSecurityObject"},
		"cn":          {"drawbridge"}, "userPassword": {servicePW},
	})
	for _, uid := range SeedPeople() {
		s.AddPerson(Person{UID: uid, Mail: "seed@corp.example"})
	}
	dn := s.PersonDN
	s.AddGroup("payments-dev", dn("alice"), dn("bob"), dn("jürgen"))
	s.AddGroup("ops", dn("bob (ops)"), dn("o'neil"), dn("x,y"), dn("a*b"))
	team := s.AddGroup("team", dn("carol"))
	dept := s.AddGroup("dept", team)
	s.AddGroup("division", dept)
	loopA := s.AddGroup("loop-a", dn("dave"))
	loopB := s.AddGroup("loop-b", loopA)
	s.Modify(loopA, "member", dn("dave"), loopB)
}

func (s *Slapd) seedPolicy(name string, settings map[string][]string) {
	attributes := map[string][]string{
		"objectClass": {"organizationalRole", "pwdPolicy"}, "cn": {name}, "pwdAttribute": {"userPassword"},
	}
	for attribute, values := range settings {
		attributes[attribute] = values
	}
	s.Add(policyDN(name), attributes)
}
