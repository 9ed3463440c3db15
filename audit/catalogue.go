package audit

// Action is what happened. The list is closed: [Catalogue] has all of them.
type Action string

// The actions.
const (
	Login             Action = "login"
	ConnectorSkipped  Action = "connector_skipped"
	TokenIssued       Action = "token_issued"
	TokenDenied       Action = "token_denied"
	TokenRefused      Action = "token_refused"
	TokenRevoked      Action = "token_revoked"
	TokenIntrospected Action = "token_introspected"
	Refresh           Action = "refresh"
	SessionStarted    Action = "session_started"
	SessionRevoked    Action = "session_revoked"
	PersonRevoked     Action = "person_revoked"
	PolicyLoaded      Action = "policy_loaded"
	PolicyRejected    Action = "policy_rejected"
	PolicySaved       Action = "policy_saved"
	AdminSignIn       Action = "admin_sign_in"
	AdminSignOut      Action = "admin_sign_out"
	BreakglassArmed   Action = "breakglass_armed"
	BreakglassUsed    Action = "breakglass_used"
	BreakglassEnded   Action = "breakglass_ended"
	UserForgotten     Action = "user_forgotten"
	RobotCreated      Action = "robot_created"
	RobotRotated      Action = "robot_rotated"
	RobotDisabled     Action = "robot_disabled"
	RobotEnabled      Action = "robot_enabled"
	RobotChanged      Action = "robot_changed"
	RobotDeleted      Action = "robot_deleted"
	KeyPrepared       Action = "key_prepared"
	KeyRotated        Action = "key_rotated"
	KeyRevoked        Action = "key_revoked"
	BackupMade        Action = "backup_made"
	BackupRestored    Action = "backup_restored"
)

// Entry is an action in the catalogue.
type Entry struct {
	Action Action
	// Category and Type are ECS event.category and event.type, of the values that
	// https://www.elastic.co/guide/en/ecs/current/ecs-category-field-values-reference.html
	// allows with each other.
	Category, Type []string
	// Meaning is one line for people.
	Meaning string
}

// Catalogue returns every action there is.
func Catalogue() []Entry {
	one := func(category string, types ...string) func(Action, string) Entry {
		return func(a Action, meaning string) Entry { return Entry{a, []string{category}, types, meaning} }
	}
	return []Entry{
		one("authentication", "start")(Login, "A credential was verified or refused."),
		one("authentication", "info")(ConnectorSkipped, "A connector did not answer and `on_unavailable: next` was used."),
		one("api", "access", "allowed")(TokenIssued, "An access token was signed."),
		one("api", "access", "denied")(TokenDenied, "Nothing that was asked is granted, or no token could be signed."),
		one("api", "access", "denied")(TokenRefused, "A revoked token was shown to a gateway."),
		one("session", "end")(TokenRevoked, "An access token was ended before its time."),
		one("api", "access", "info")(TokenIntrospected, "Somebody asked for the state of a token."),
		one("session", "info")(Refresh, "A refresh token was shown, and honoured or refused."),
		one("session", "start")(SessionStarted, "A login was given a refresh token."),
		one("session", "end")(SessionRevoked, "A session was ended before its time."),
		one("session", "end")(PersonRevoked, "All sessions and tokens of a person were ended."),
		one("configuration", "change")(PolicyLoaded, "A policy document came into force on a server."),
		one("configuration", "info")(PolicyRejected, "A policy document was refused and the old one stays."),
		one("configuration", "change")(PolicySaved, "Somebody saved a policy document."),
		one("authentication", "start")(AdminSignIn, "Somebody signed in to the administration, or was refused."),
		one("authentication", "end")(AdminSignOut, "Somebody signed out of the administration."),
		one("iam", "admin", "creation")(BreakglassArmed, "The emergency account was opened on the host."),
		one("authentication", "start")(BreakglassUsed, "The emergency account was used, or its secret was refused."),
		one("iam", "admin", "deletion")(BreakglassEnded, "The emergency account was closed, or its time ran out."),
		one("iam", "user", "change")(UserForgotten, "What is cached about a person was dropped."),
		one("iam", "user", "creation")(RobotCreated, "A robot was made, with its first secret."),
		one("iam", "user", "change")(RobotRotated, "A robot was given another secret."),
		one("iam", "user", "change")(RobotDisabled, "A robot may not log in until it is enabled."),
		one("iam", "user", "change")(RobotEnabled, "A robot may log in again."),
		one("iam", "user", "change")(RobotChanged, "A robot has another owner, description, end or networks."),
		one("iam", "user", "deletion")(RobotDeleted, "A robot was deleted with its secrets."),
		one("configuration", "creation")(KeyPrepared, "A signing key or CA was made that does not sign yet."),
		one("configuration", "change")(KeyRotated, "A signing key or CA was replaced."),
		one("configuration", "change")(KeyRevoked, "A signing key was replaced, and all that it has signed is refused."),
		one("configuration", "access")(BackupMade, "The whole state was written into a file, keys included."),
		one("configuration", "change")(BackupRestored, "The state of a backup was put in place of an empty one."),
	}
}
