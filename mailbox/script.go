package mailbox

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/allgreen-mail/allgreen/store"
)

// The errors of scripts that callers tell apart.
var (
	// ErrNoScript: the account has no such script, or none that is active.
	ErrNoScript = errors.New("no such script")
	// ErrScriptExists: the account has a script of that name.
	ErrScriptExists = errors.New("the script exists")
	// ErrScriptName: the name cannot be a script's.
	ErrScriptName = errors.New("not a name for a script")
	// ErrScriptActive: the active script cannot be removed.
	ErrScriptActive = errors.New("the script is active")
	// ErrScriptRoom: the script is too large, or the account has too many.
	ErrScriptRoom = errors.New("no room for the script")
)

// Bounds of the scripts of an account.
const (
	MaxScripts    = 50
	MaxScriptSize = 256 << 10 // octets
)

// ScriptsTopic is what to Watch for changes of active scripts, of all accounts.
const ScriptsTopic = "mailbox/scripts"

// SieveScript is a script of an account. The mailbox keeps it and knows nothing of
// its language.
type SieveScript struct {
	Name    string
	Text    string
	Active  bool
	Changed time.Time
}

// PutScript keeps a script under a name, in place of the one that has it. The active
// one stays active.
func PutScript(tx *store.Tx, account int64, name, text string) error {
	if err := putScript(tx, account, name, text); err != nil {
		return fmt.Errorf("put script %q: %w", name, err)
	}
	tx.Wake(ScriptsTopic)
	return nil
}

func putScript(tx *store.Tx, account int64, name, text string) error {
	if err := checkScriptName(name); err != nil {
		return err
	}
	if err := ScriptRoom(tx, account, name, int64(len(text))); err != nil {
		return err
	}
	_, err := tx.Exec(`INSERT INTO mailbox_script (account, name, text, active, changed) VALUES ($1, $2, $3, 0, $4)
		ON CONFLICT (account, name) DO UPDATE SET text = excluded.text, changed = excluded.changed`,
		account, name, text, store.Micros(tx.Now()))
	return err
}

// checkScriptName follows RFC 5804 section 1.6.
func checkScriptName(name string) error {
	if name == "" || len(name) > maxName || !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool {
		return r < ' ' || r >= 0x7F && r < 0xA0 || r == '\u2028' || r == '\u2029'
	}) {
		return fmt.Errorf("%w: %q", ErrScriptName, name)
	}
	return nil
}

// ScriptRoom says whether a script of a size fits, new or in place of the one of its
// name: nil or ErrScriptRoom.
func ScriptRoom(tx *store.Tx, account int64, name string, size int64) error {
	if size > MaxScriptSize {
		return fmt.Errorf("%w: over %d octets", ErrScriptRoom, MaxScriptSize)
	}
	var others int
	if err := tx.Row(`SELECT COUNT(*) FROM mailbox_script WHERE account = $1 AND name <> $2`, account, name).Scan(&others); err != nil {
		return err
	}
	if others >= MaxScripts {
		return fmt.Errorf("%w: there are %d already", ErrScriptRoom, others)
	}
	return nil
}

const scriptColumns = `SELECT name, text, active, changed FROM mailbox_script WHERE account = $1`

// Scripts gives the scripts of an account in the order of their names.
func Scripts(tx *store.Tx, account int64) ([]SieveScript, error) {
	rows, err := tx.Rows(scriptColumns+` ORDER BY name`, account)
	if err != nil {
		return nil, fmt.Errorf("scripts of account %d: %w", account, err)
	}
	defer rows.Close()
	var all []SieveScript
	for rows.Next() {
		var s SieveScript
		if err := rows.Scan(&s.Name, &s.Text, &s.Active, &s.Changed); err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, rows.Err()
}

// Script gives the script of a name, or ErrNoScript.
func Script(tx *store.Tx, account int64, name string) (SieveScript, error) {
	return oneScript(tx, fmt.Sprintf("%q", name), ` AND name = $2`, account, name)
}

// ActiveScript gives the script that is active, or ErrNoScript.
func ActiveScript(tx *store.Tx, account int64) (SieveScript, error) {
	return oneScript(tx, "active", ` AND active <> 0`, account)
}

func oneScript(tx *store.Tx, what, where string, args ...any) (s SieveScript, err error) {
	err = tx.Row(scriptColumns+where, args...).Scan(&s.Name, &s.Text, &s.Active, &s.Changed)
	if errors.Is(err, store.ErrNoRow) {
		err = fmt.Errorf("%w: %s", ErrNoScript, what)
	}
	return s, err
}

// ActivateScript makes a script the active one, and no other; an empty name makes none
// active.
func ActivateScript(tx *store.Tx, account int64, name string) error {
	if err := tx.Lock(scriptsLock(account)); err != nil {
		return fmt.Errorf("activate script %q: %w", name, err)
	}
	if name != "" {
		if _, err := Script(tx, account, name); err != nil {
			return fmt.Errorf("activate: %w", err)
		}
	}
	if _, err := tx.Exec(`UPDATE mailbox_script SET active = CASE WHEN name = $2 THEN 1 ELSE 0 END WHERE account = $1`, account, name); err != nil {
		return fmt.Errorf("activate script %q: %w", name, err)
	}
	tx.Wake(ScriptsTopic)
	return nil
}

// scriptsLock keeps an account from having two active scripts.
func scriptsLock(account int64) string { return fmt.Sprintf("mailbox scripts %d", account) }

// RemoveScript removes a script that is not active: ErrNoScript, ErrScriptActive.
func RemoveScript(tx *store.Tx, account int64, name string) error {
	n, err := tx.Exec(`DELETE FROM mailbox_script WHERE account = $1 AND name = $2 AND active = 0`, account, name)
	if err == nil && n == 0 {
		if _, err = Script(tx, account, name); err == nil {
			err = ErrScriptActive
		}
	}
	if err != nil {
		return fmt.Errorf("remove script %q: %w", name, err)
	}
	return nil
}

// RenameScript gives a script another name: ErrNoScript, ErrScriptExists. An active one
// stays active.
func RenameScript(tx *store.Tx, account int64, from, to string) error {
	if err := renameScript(tx, account, from, to); err != nil {
		return fmt.Errorf("rename script %q to %q: %w", from, to, err)
	}
	return nil
}

func renameScript(tx *store.Tx, account int64, from, to string) error {
	if err := checkScriptName(to); err != nil {
		return err
	}
	if err := tx.Lock(scriptsLock(account)); err != nil {
		return err
	}
	if _, err := Script(tx, account, to); !errors.Is(err, ErrNoScript) {
		if err == nil {
			err = ErrScriptExists
		}
		return err
	}
	n, err := tx.Exec(`UPDATE mailbox_script SET name = $3 WHERE account = $1 AND name = $2`, account, from, to)
	if err == nil && n == 0 {
		err = ErrNoScript
	}
	return err
}
