// Command page writes CHECKS.md from the catalogue.
package main

import (
	"log"
	"os"

	"github.com/leadgenctl/leadgenctl/internal/consistency"
)

func main() {
	if err := os.WriteFile("CHECKS.md", []byte(consistency.Page()), 0o644); err != nil {
		log.Fatal(err)
	}
}
