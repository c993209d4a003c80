package backup

import (
	"strings"
	"testing"

	"github.com/allgreen-mail/allgreen/account"
)

// The note of a restore names what is missing, a part of a folder as well as a message.
func TestNoteNamesWhatIsMissing(t *testing.T) {
	text := noteOf(account.Account{}, Restored{Missing: []Missing{{Folder: "INBOX", Why: "12 messages from UID 1 on: gone"}, {Folder: "Work", UID: 7, Why: "gone"}}}).Text
	for _, want := range []string{"INBOX, 12 messages from UID 1 on: gone\n", "Work, message 7\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %q:\n%s", want, text)
		}
	}
}
