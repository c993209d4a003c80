package web

import "reflect"

// Access says what somebody may do through the API. Each includes the one before; the
// zero value may do nothing.
type Access int

// The levels of access.
const (
	Nobody  Access = iota
	Looks          // sees how the server is and what it did, and no secret
	Changes        // administers: a secret that it makes is told to it
	Person         // somebody who is logged in, who may also see old secrets and let programs in
)

// String is the word in the description of the API.
func (a Access) String() string {
	return [...]string{"nobody", "look", "change", "person"}[a]
}

// Operation is a call as the description of the API has it.
type Operation struct {
	Name   string
	Access Access // who makes it may at least do this
	Does   string // one or two sentences for people

	in, out reflect.Type
}

// op describes a call. Its types come from the call itself, so that they cannot differ.
func op[In, Out any](c Call[In, Out], a Access, does string) Operation {
	return Operation{Name: c.Name, Access: a, Does: does, in: reflect.TypeFor[In](), out: reflect.TypeFor[Out]()}
}

// Catalogue lists every call of the administration, by subject. What does not stand here
// can be asked on the administration socket only.
func Catalogue() []Operation {
	return []Operation{
		op(Status, Looks, "How the server is: its names, listeners, and whether it is ready."),
		op(Reload, Changes, "Reads the configuration again, and tells what changed."),
		op(DNSRecords, Looks, "The DNS records that the domains of the server want published."),
		op(DNSDiff, Looks, "What the name servers of a domain have of its records, and what is to be done about each."),
		op(StandingRows, Looks, "How our domains and addresses stand: the colour of every check, and since when."),
		op(StandingHistory, Looks, "Which checks changed their colour, the newest first."),
		op(SuppressionList, Looks, "Who wants no more of which bulk stream, and why."),
		op(SuppressionAdd, Changes, "Stops a bulk stream to an address."),
		op(SuppressionRemove, Changes, "Lets a bulk stream go to an address again."),
		op(StandingCheck, Changes, "Begins to look again at a domain or address, with all checks or one."),
		op(ChecklistItems, Looks, "What only a person can do for good delivery, and how it stands."),
		op(ChecklistMark, Changes, "Ticks off what a person did."),
		op(ChecklistUnmark, Changes, "Takes a tick back."),
		op(DMARCSteps, Looks, "How far each domain is on its way to a DMARC policy of reject, and what it waits for."),
		op(DMARCStep, Changes, "Takes the next step of that way now, or the one that is named."),
		op(DKIMKeys, Looks, "The DKIM keys of a domain, or of all."),
		op(DKIMPlan, Changes, "Makes the next DKIM keys of a domain, which do not sign yet."),
		op(DKIMSwitch, Changes, "Signs with the planned DKIM keys from now on."),
		op(DKIMRevoke, Changes, "Revokes DKIM keys that were retired long enough ago."),
		op(DKIMForget, Changes, "Forgets DKIM keys that were revoked long enough ago."),

		op(AccountList, Looks, "All accounts, with the room that they take."),
		op(AccountShow, Looks, "One account with its folders, aliases and app passwords, without any secret."),
		op(AccountAdd, Changes, "Makes an account with a mailbox."),
		op(AccountPassword, Changes, "Gives an account another password."),
		op(AccountQuota, Changes, "Gives an account its room."),
		op(AccountDisable, Changes, "Stops an account, or lets it go on."),
		op(AccountRemove, Changes, "Removes an account and all its mail."),
		op(AppPasswordAdd, Changes, "Makes a password for one program of a person, which is shown once."),
		op(AppPasswordGone, Changes, "Removes an app password."),
		op(AliasList, Looks, "The addresses that lead to others."),
		op(AliasAdd, Changes, "Has an address lead to others."),
		op(AliasRemove, Changes, "Removes an alias."),

		op(TokenList, Looks, "The tokens of programs that send, without their secrets."),
		op(TokenAdd, Changes, "Makes a token for a program that sends, which is shown once."),
		op(TokenRemove, Changes, "Ends the use of a token."),
		op(DeviceList, Looks, "The devices that may send because of their network."),
		op(DeviceAdd, Changes, "Lets a device send without a login."),
		op(DeviceRemove, Changes, "Lets a device send no more."),
		op(PrincipalsOnHold, Looks, "The senders whose mail is held, and why."),
		op(PrincipalHold, Changes, "Holds what a login, device or token sends, and what it has in the queue."),
		op(PrincipalFree, Changes, "Lets a sender go on; what was held goes out, or is dropped."),

		op(APITokenList, Looks, "The tokens of programs that use this API, without their secrets."),
		op(APITokenAdd, Person, "Makes a token for a program that uses this API, which is shown once."),
		op(APITokenRemove, Person, "Ends the use of such a token."),

		op(QueueList, Looks, "The messages that wait to be sent, the oldest first."),
		op(QueueWhy, Looks, "Why messages wait, with the transcript of the last attempt."),
		op(QueueRetry, Changes, "Tries messages again now."),
		op(QueueHold, Changes, "Holds messages until somebody releases them."),
		op(QueueRelease, Changes, "Lets held messages go on."),
		op(QueueDrop, Changes, "Throws messages away. Nobody is told."),
		op(QueueDestinations, Looks, "For which domains most messages wait, and why the oldest of each does."),
		op(LogVolumes, Looks, "How many events of each kind there were, by hour or day."),
		op(LogSearch, Looks, "What happened, by address, domain, kind and time, the newest first."),
		op(LogTrace, Looks, "The life of one message, the oldest event first."),

		op(SieveList, Looks, "The filters of an account."),
		op(SieveShow, Looks, "One filter of an account, or the active one."),
		op(SievePut, Changes, "Keeps a filter of an account, if it can be understood."),
		op(SieveActivate, Changes, "Makes a filter the active one, or none."),
		op(SieveRemove, Changes, "Removes a filter that is not active."),
		op(MailFolders, Looks, "The folders of an account, as an import or export sees them."),
		op(MailPrepare, Changes, "Makes a folder for an import and tells which messages it had."),

		op(TestMake, Changes, "Makes a test address: what is sent to it within an hour is judged."),
		op(TestLook, Looks, "A test address with the messages that came to it and their verdicts; waits for the next one."),

		op(ExhibitPut, Changes, "Keeps a result for thirty days, for everybody who is told its id."),
		op(ExhibitGet, Looks, "A result that was shared."),

		op(BackupList, Looks, "The snapshots there are, of everybody or with one address."),
		op(BackupNow, Changes, "Begins to make a backup."),
		op(BackupVerify, Changes, "Begins to read the whole backup back and to check it."),
		op(BackupPrune, Changes, "Begins to remove the snapshots that are too old."),
		op(BackupKey, Person, "The key of the backup, without which nobody can read it."),
		op(RestorePlan, Looks, "What a restore would bring back."),
		op(RestoreRun, Changes, "Begins to bring folders of a snapshot back, beside those that are there."),
		op(RestoreRemove, Changes, "Removes folders that were brought back."),
		op(JobLook, Looks, "How far work is that was begun, and its result."),
		op(JobStop, Changes, "Stops work that was begun."),
	}
}
