package doctor

import "slices"

// ID names a finding. It does not change.
type ID string

// The findings, in the order in which a login meets what they are about.
const (
	NameUnknown   ID = "DB-NET-001"
	Refused       ID = "DB-NET-002"
	NoAnswer      ID = "DB-NET-003"
	PlainOnTLS    ID = "DB-NET-004"
	TLSOnPlain    ID = "DB-NET-005"
	ProxyInTheWay ID = "DB-NET-006"
	NoRegistry    ID = "DB-NET-007"
	NoDrawbridge  ID = "DB-NET-008"

	CertExpired ID = "DB-TLS-001"
	CertTooNew  ID = "DB-TLS-002"
	CertName    ID = "DB-TLS-003"
	CertUnknown ID = "DB-TLS-004"
	TLSWeak     ID = "DB-TLS-005"
	CertEnds    ID = "DB-TLS-006"

	NoChallenge    ID = "DB-CHL-001"
	OtherChallenge ID = "DB-CHL-002"
	RealmElsewhere ID = "DB-CHL-003"
	RealmDead      ID = "DB-CHL-004"
	RealmRefused   ID = "DB-CHL-005"
	RealmMadeUp    ID = "DB-CHL-006"

	KeysUnreadable ID = "DB-KEY-001"
	KeysElsewhere  ID = "DB-KEY-002"
	KeyEnds        ID = "DB-KEY-003"

	TrustAnchor   ID = "DB-TOK-001"
	WrongIssuer   ID = "DB-TOK-002"
	WrongAudience ID = "DB-TOK-003"
	WrongAlg      ID = "DB-TOK-004"
	WrongForm     ID = "DB-TOK-005"

	ClockWrong ID = "DB-CLK-001"
	ClockOff   ID = "DB-CLK-002"

	AuthDroppedRegistry ID = "DB-PRX-001"
	AuthDroppedServer   ID = "DB-PRX-002"
	HeadersCut          ID = "DB-PRX-003"
	UploadElsewhere     ID = "DB-PRX-004"
	BodyTooLarge        ID = "DB-PRX-005"

	ConnectorDown     ID = "DB-CON-001"
	ConnectorRefused  ID = "DB-CON-002"
	ConnectorSettings ID = "DB-CON-003"
	PersonUnknown     ID = "DB-CON-004"
	PersonNoRights    ID = "DB-CON-005"

	RedisDown ID = "DB-RED-001"
	StoreDown ID = "DB-STO-001"

	SecretOpen       ID = "DB-FIL-001" // #nosec G101 -- a name
	FileUnreadable   ID = "DB-FIL-002"
	BindingEnds      ID = "DB-POL-001"
	PolicyUnreadable ID = "DB-POL-002"

	OriginRefused     ID = "DB-CRS-001"
	RegistryNoCORS    ID = "DB-CRS-002"
	RateLimited       ID = "DB-LIM-001"
	LimitsBehindProxy ID = "DB-LIM-002"
)

// Entry is what the catalogue says of every finding with its ID.
type Entry struct {
	ID       ID
	Severity Severity
	Title    string
	Why      string
}

// Catalogue lists everything that can be found.
func Catalogue() []Entry {
	return slices.Concat(roadFindings(), tokenFindings(), localFindings())
}
