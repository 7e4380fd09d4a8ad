// Package acceptance has no code of its own: its tests use the built binary as
// people do, against every kind of server that they have.
package acceptance
