package root

import (
	"fmt"
	"slices"
	"strings"

	"github.com/olekukonko/tablewriter/pkg/twwarp"
	"github.com/spf13/cobra"
)

// helpWidth is a terminal's, in columns.
const helpWidth = 80

// Cobra keeps the functions of its templates for the whole program.
func init() {
	cobra.AddTemplateFunc("fitText", fitText)
	cobra.AddTemplateFunc("fitCell", fitCell)
}

// fitHelp makes the help of a command and of those below it fit a terminal: cobra prints
// texts as they were written.
func fitHelp(c *cobra.Command) {
	c.SetHelpTemplate(`{{with (or .Long .Short)}}{{fitText .}}

{{end}}{{if or .Runnable .HasSubCommands}}{{.UsageString}}{{end}}`)
	c.SetUsageTemplate(strings.NewReplacer(
		".FlagUsages ", fmt.Sprintf(".FlagUsagesWrapped %d ", helpWidth),
		"{{.Short}}", "{{fitCell .NamePadding .Short}}",
		`Use "{{.CommandPath}} [command] --help" for more information about a command.`,
		`{{fitText (printf "Use \"%s [command] --help\" for more information about a command." .CommandPath)}}`,
	).Replace(c.UsageTemplate()))
}

// fitText fills the lines of each paragraph. One with a line that is set in, such as a
// list, stays as it is.
func fitText(text string) string {
	paragraphs := strings.Split(strings.TrimSpace(text), "\n\n")
	for i, p := range paragraphs {
		setIn := func(line string) bool { return strings.HasPrefix(line, " ") }
		if !slices.ContainsFunc(strings.Split(p, "\n"), setIn) {
			paragraphs[i] = fill(p, helpWidth, "\n")
		}
	}
	return strings.Join(paragraphs, "\n\n")
}

// fitCell fills the lines of a text beside a column of names, which is two in and has a
// space behind it.
func fitCell(names int, text string) string {
	column := 2 + names + 1
	return fill(text, helpWidth-column, "\n"+strings.Repeat(" ", column))
}

func fill(text string, width int, between string) string {
	lines, _ := twwarp.WrapString(text, width)
	return strings.Join(lines, between)
}
