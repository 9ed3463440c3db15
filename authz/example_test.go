package authz_test

import (
	"fmt"
	"log"
	"time"

	"drawbridge/authz"
	"drawbridge/identity"
)

func Example() {
	document, err := authz.Parse("policy.yaml", []byte(`
bindings:
  - name: payments-developers
    role: pusher
    subjects: ["group:corp/payments-dev"]
    repositories: ["payments/**"]
tests:
  - as: { user: corp/alice, groups: [corp/payments-dev] }
    repository: payments/api
    allow: [pull, push]
    deny: [delete]
`))
	if err != nil {
		log.Fatal(err)
	}
	policy, err := document.Compile(authz.Options{HomeConnector: "corp"})
	if err != nil {
		log.Fatal(err)
	}
	alice := policy.Subject(identity.Identity{
		Kind: identity.User, Connector: "corp", Name: "alice", Groups: []string{"payments-dev"},
	})
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	for _, scope := range authz.ParseScopes([]string{"repository:payments/api:* registry:catalog:*"}) {
		granted := policy.Decide(&alice, "Docker registry", scope, now)
		fmt.Println(scope.Type(), scope.Name(), scope.AnswerActions(granted))
		fmt.Println(policy.Explain(&alice, "Docker registry", scope, now).ClientReason())
	}
	// Output:
	// repository payments/api [pull push]
	// No rule of the policy grants delete on payments/api to corp/alice.
	// registry catalog []
	// No rule of the policy grants catalog on the registry to corp/alice.
}

func ExampleParse_faults() {
	_, err := authz.Parse("policy.yaml", []byte(`bindings:
  - name: payments
    role: pushr
    subjects: ["group:payments-dev"]
    repositories: ["Payments/**"]
`))
	fmt.Println(err)
	// Output:
	// policy.yaml:3: bindings[0].role: unknown role "pushr": define it under roles, or use one of puller, pusher, maintainer, catalog-reader, auditor, policy-admin or namespace-owner (did you mean "pusher"?)
	// policy.yaml:4: bindings[0].subjects[0]: subject "group:payments-dev": write the connector too, as in group:corp/payments-dev, or */ for any connector
	// policy.yaml:5: bindings[0].repositories[0]: pattern "Payments/**": "Payments" has an upper-case letter, which repository names may not have: write "payments"
}
