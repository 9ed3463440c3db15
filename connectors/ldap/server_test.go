package ldap

import (
	"bufio"
	"context"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"drawbridge/configs"
	"drawbridge/connectors"
	"drawbridge/identity"

	ber "github.com/go-asn1-ber/asn1-ber"
	ldap3 "github.com/go-ldap/ldap/v3"
)

// script is a directory that answers what a test says, for what no real server
// does on request: losing a bind, ignoring a size limit, returning an empty DN.
// What slapd does is tested against slapd.
type script struct {
	addr string

	mu     sync.Mutex
	answer func(request *ber.Packet) []*ber.Packet
	seen   map[ber.Tag]int
	// controls, where it is set, gives the response controls of the last reply.
	controls func(request *ber.Packet) *ber.Packet
}

// serve starts a scripted directory. answer returns the protocol operations that
// follow a request; none means that the connection is closed.
func serve(t *testing.T, answer func(request *ber.Packet) []*ber.Packet) *script {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	s := &script{addr: l.Addr().String(), answer: answer, seen: map[ber.Tag]int{}}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go s.talk(conn)
		}
	}()
	return s
}

func (s *script) talk(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	in := bufio.NewReader(conn)
	for {
		packet, err := ber.ReadPacket(in)
		if err != nil || len(packet.Children) < 2 {
			return
		}
		request := packet.Children[1]
		s.mu.Lock()
		s.seen[request.Tag]++
		replies := s.answer(request)
		var controls *ber.Packet
		if s.controls != nil {
			controls = s.controls(request)
		}
		s.mu.Unlock()
		if len(replies) == 0 {
			return
		}
		for i, op := range replies {
			message := ber.NewSequence("message")
			message.AppendChild(packet.Children[0])
			message.AppendChild(op)
			if controls != nil && i == len(replies)-1 {
				message.AppendChild(controls)
			}
			if _, err := conn.Write(message.Bytes()); err != nil {
				return
			}
		}
	}
}

// count returns how many requests of the kind were seen.
func (s *script) count(tag ber.Tag) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[tag]
}

// done is an LDAPResult (RFC 4511 section 4.1.9).
func done(tag ber.Tag, code int64, diagnostic string) *ber.Packet {
	p := ber.Encode(ber.ClassApplication, ber.TypeConstructed, tag, nil, "result")
	p.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, code, "code"))
	p.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, "", "matched DN"))
	p.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, diagnostic, "diagnostic"))
	return p
}

// found is a SearchResultEntry with a uid.
func found(dn, uid string) *ber.Packet {
	p := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap3.ApplicationSearchResultEntry, nil, "entry")
	p.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, dn, "DN"))
	attribute, values := ber.NewSequence("attribute"), ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "values")
	attribute.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, "uid", "type"))
	values.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, uid, "value"))
	attribute.AppendChild(values)
	attributes := ber.NewSequence("attributes")
	attributes.AppendChild(attribute)
	p.AppendChild(attributes)
	return p
}

// reference is a SearchResultReference to another server.
func reference(url string) *ber.Packet {
	p := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap3.ApplicationSearchResultReference, nil, "reference")
	p.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, url, "URL"))
	return p
}

// polite grants every bind and answers searches with the operations.
func polite(search ...*ber.Packet) func(*ber.Packet) []*ber.Packet {
	return func(request *ber.Packet) []*ber.Packet {
		if request.Tag == ldap3.ApplicationBindRequest {
			return []*ber.Packet{done(ldap3.ApplicationBindResponse, 0, "")}
		}
		if request.Tag == ldap3.ApplicationSearchRequest {
			return search
		}
		return nil
	}
}

func searchDone(code int64, diagnostic string) *ber.Packet {
	return done(ldap3.ApplicationSearchResultDone, code, diagnostic)
}

// client connects to the scripted servers, in their order.
func client(t *testing.T, clock func() time.Time, servers ...*script) *Connector {
	t.Helper()
	cfg := valid()
	cfg.Timeout = 4 * time.Second
	cfg.LDAP.Groups.Mode = configs.GroupsNone
	cfg.LDAP.URLs = nil
	for _, s := range servers {
		cfg.LDAP.URLs = append(cfg.LDAP.URLs, "ldap://"+s.addr)
	}
	c, err := New(cfg, Deps{Log: slog.New(slog.DiscardHandler), Clock: clock})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func authenticate(c *Connector) connectors.Outcome {
	return c.Authenticate(context.Background(), identity.Credential{Username: "alice", Password: identity.NewSecret("pw")})
}

func expect(t *testing.T, out connectors.Outcome, kind connectors.Kind, reason connectors.Reason) {
	t.Helper()
	if out.Kind() != kind || out.Reason() != reason {
		t.Errorf("got %v, want %s(%s)", out, kind, reason)
	}
}

func TestSizeLimitThatTheServerIgnores(t *testing.T) {
	for n, search := range map[int][]*ber.Packet{
		2: {found("uid=a,dc=x", "a"), found("uid=b,dc=x", "b"), searchDone(0, "")},
		4: {found("uid=a,dc=x", "a"), found("uid=b,dc=x", "b"), found("uid=c,dc=x", "c"), found("uid=d,dc=x", "d"), searchDone(0, "")},
		1: {found("uid=a,dc=x", "a"), searchDone(4, "size limit exceeded")},
		0: {searchDone(4, "size limit exceeded")},
	} {
		s := serve(t, polite(search...))
		expect(t, authenticate(client(t, nil, s)), connectors.KindDenied, connectors.Ambiguous)
		if binds := s.count(ldap3.ApplicationBindRequest); binds != 1 {
			t.Errorf("%d entries: %d binds: somebody's password was tried", n, binds)
		}
	}
}

// TestReferencesAreIgnored: one goes nowhere, and beside an entry it does not
// count; alone it leaves nobody.
func TestReferencesAreIgnored(t *testing.T) {
	elsewhere := serve(t, polite(found("uid=alice,dc=x", "alice"), searchDone(0, "")))
	ref := reference("ldap://" + elsewhere.addr + "/dc=y")
	expect(t, authenticate(client(t, nil, serve(t, polite(found("uid=alice,dc=x", "alice"), ref, searchDone(0, ""))))), connectors.KindGranted, "")
	expect(t, authenticate(client(t, nil, serve(t, polite(ref, searchDone(0, ""))))), connectors.KindNotMine, "")
	if elsewhere.count(ldap3.ApplicationBindRequest)+elsewhere.count(ldap3.ApplicationSearchRequest) != 0 {
		t.Error("the referred host was asked")
	}
}

func TestEntryWithoutDNIsNotBoundAs(t *testing.T) {
	s := serve(t, polite(found("", "alice"), searchDone(0, "")))
	expect(t, authenticate(client(t, nil, s)), connectors.KindMisconfigured, "")
	if binds := s.count(ldap3.ApplicationBindRequest); binds != 1 {
		t.Errorf("%d binds", binds)
	}
}

// TestLostBindIsRetriedOnce: Active Directory forgets the bind of an idle
// connection; the search succeeds on a fresh one and is not repeated for ever.
func TestLostBindIsRetriedOnce(t *testing.T) {
	const lost = "000004DC: LdapErr: DSID-0C090A5C, comment: In order to perform this operation a successful bind must be completed"
	for _, failures := range []int{1, 100} {
		left := failures
		s := serve(t, func(request *ber.Packet) []*ber.Packet {
			if request.Tag == ldap3.ApplicationSearchRequest {
				if left--; left >= 0 {
					return []*ber.Packet{searchDone(1, lost)}
				}
			}
			return polite(found("uid=alice,dc=x", "alice"), searchDone(0, ""))(request)
		})
		out := authenticate(client(t, nil, s))
		if failures == 1 {
			expect(t, out, connectors.KindGranted, "")
		} else {
			expect(t, out, connectors.KindUnavailable, "")
		}
		if n := s.count(ldap3.ApplicationSearchRequest); n != 2 {
			t.Errorf("%d searches, want 2", n)
		}
	}
}

// TestSearchIsRetriedOnTheOtherHost, and a refusal is not.
func TestSearchIsRetriedOnTheOtherHost(t *testing.T) {
	for code, retried := range map[int64]bool{51: true, 52: true, 80: true, 50: false, 32: false, 3: false} {
		first := serve(t, polite(searchDone(code, "")))
		second := serve(t, polite(found("uid=alice,dc=x", "alice"), searchDone(0, "")))
		out := authenticate(client(t, nil, first, second))
		if got := out.Kind() == connectors.KindGranted; got != retried {
			t.Errorf("code %d: got %v", code, out)
		}
		if n := first.count(ldap3.ApplicationSearchRequest); n != 1 {
			t.Errorf("code %d: the first host saw %d searches", code, n)
		}
	}
}

// TestUserBindIsNeverSentTwice: the server takes the request and dies.
func TestUserBindIsNeverSentTwice(t *testing.T) {
	answer := func(request *ber.Packet) []*ber.Packet {
		if request.Tag == ldap3.ApplicationBindRequest && request.Children[1].Data.String() == "uid=alice,dc=x" {
			return nil
		}
		return polite(found("uid=alice,dc=x", "alice"), searchDone(0, ""))(request)
	}
	first, second := serve(t, answer), serve(t, answer)
	expect(t, authenticate(client(t, nil, first, second)), connectors.KindUnavailable, "")
	if n := first.count(ldap3.ApplicationBindRequest) + second.count(ldap3.ApplicationBindRequest); n != 2 {
		t.Errorf("%d binds, want the service account's and one of the user's", n)
	}
}

// TestBusyServiceBindAsksTheNextHost, while a refused one is our own fault and
// would be refused there as well.
func TestBusyServiceBindAsksTheNextHost(t *testing.T) {
	for code, want := range map[int64]connectors.Kind{51: connectors.KindGranted, 49: connectors.KindMisconfigured} {
		first := serve(t, func(*ber.Packet) []*ber.Packet {
			return []*ber.Packet{done(ldap3.ApplicationBindResponse, code, "")}
		})
		second := serve(t, polite(found("uid=alice,dc=x", "alice"), searchDone(0, "")))
		expect(t, authenticate(client(t, nil, first, second)), want, "")
	}
}

// TestStartTLSThatIsRefused ends the login: nothing is downgraded.
func TestStartTLSThatIsRefused(t *testing.T) {
	s := serve(t, func(request *ber.Packet) []*ber.Packet {
		if request.Tag == ldap3.ApplicationExtendedRequest {
			return []*ber.Packet{done(ldap3.ApplicationExtendedResponse, 2, "unsupported")}
		}
		return polite(found("uid=alice,dc=x", "alice"), searchDone(0, ""))(request)
	})
	cfg := valid()
	cfg.LDAP.URLs, cfg.LDAP.StartTLS, cfg.LDAP.Groups.Mode = []string{"ldap://" + s.addr}, true, configs.GroupsNone
	c, err := build(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	expect(t, authenticate(c), connectors.KindUnavailable, "")
	if n := s.count(ldap3.ApplicationBindRequest); n != 0 {
		t.Errorf("%d passwords were sent in the clear", n)
	}
}
