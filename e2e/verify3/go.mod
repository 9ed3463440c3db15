module drawbridge/e2e/verify3

go 1.26.0

require (
	drawbridge v0.0.0
	github.com/distribution/distribution/v3 v3.1.1
	github.com/go-jose/go-jose/v4 v4.1.8
	github.com/google/go-cmp v0.7.0
)

require (
	github.com/golang-jwt/jwt/v5 v5.3.1 // indirect
	github.com/sirupsen/logrus v1.9.4 // indirect
	golang.org/x/sys v0.49.0 // indirect
)

replace drawbridge => ../../
