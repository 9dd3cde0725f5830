// Package goring holds the C headers of the protocol. It is empty in Go: the packages that compile
// C import it, so that `go mod vendor` takes the headers along.
package goring
