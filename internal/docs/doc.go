// Package docs has no code of its own: its tests read the project's Markdown pages
// and the help of every command, and run what they tell users to type.
package docs
