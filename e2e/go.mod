module drawbridge/e2e

go 1.26.0

require drawbridge v0.0.0

replace drawbridge => ../
