// Package manage is what administrators do with a running Drawbridge: read and
// change the policy, ask who may do what, try a draft. The REST API, the console
// and the commands are three ways to the same [Desk].
//
// Every method takes the [Actor] and refuses what their capabilities do not
// include, so that no way in can forget it. A refusal is an identity.Error of the
// kind Forbidden that names the capability and how to get it.
//
// # Who may what
//
// The role auditor sees everything, policy-admin may do everything as well. Everybody
// who is signed in sees and ends their own sessions. Who has no role sees and does
// nothing else. The role namespace-owner may, inside the repositories of the binding
// that gives it:
//
//   - add, change and remove bindings that grant nothing beyond, no capability and
//     not the catalog (authz.Trespass);
//   - see robots that are the namespace's: the name begins with the namespace's own,
//     by whole segments (payments/** has payments, payments-ci and payments.ci, and
//     not paymentsx; authz.NamesRobot), and the owner is a group that the actor is in;
//   - make and change such robots, as they are and as they will be, unless the policy
//     gives the robot something by its name beyond the namespaces
//     (authz.Document.RobotReach): whoever has a robot's secret has its rights.
//
// What somebody may not see is not there for them.
package manage
