package main

import (
	"context"
	"errors"
	"slices"

	"github.com/allgreen-mail/allgreen/config"
	"github.com/allgreen-mail/allgreen/mailauth/dmarc"
	"github.com/allgreen-mail/allgreen/setup"
	"github.com/allgreen-mail/allgreen/web"
)

// newUpkeep looks after the records of the domains while the server runs.
func newUpkeep(s *server, c *config.Config) *setup.Upkeep {
	return setup.NewUpkeep(setup.UpkeepOptions{
		World: s.world, Identity: s.identity, Provider: publisher(c.DNS, s.world), Log: s.log,
		Tell: func(ctx context.Context, subject, text string) { s.alert(ctx, subject, text, "") },
	})
}

// climber answers the calls about the DMARC policies.
type climber struct{ *server }

// Steps are where the domains stand.
func (c climber) Steps(context.Context) ([]setup.DMARCStep, error) {
	all := []setup.DMARCStep{}
	for _, d := range c.identity.Statement().Domains {
		all = append(all, c.upkeep.DMARC(d))
	}
	return all, nil
}

// Step takes one because a person says so.
func (c climber) Step(ctx context.Context, in web.DMARCWish) (setup.DMARCStep, error) {
	d, err := keyring(c).domain(in.Domain)
	if err != nil {
		return setup.DMARCStep{}, err
	}
	to := dmarc.Policy(in.Policy)
	if to != "" && !slices.Contains([]dmarc.Policy{dmarc.None, dmarc.Quarantine, dmarc.Reject}, to) {
		return setup.DMARCStep{}, &web.Error{Kind: web.Invalid, Text: in.Policy + " is no DMARC policy", Hint: "it is none, quarantine or reject"}
	}
	step, err := c.upkeep.StepDMARC(ctx, d, to)
	switch {
	case errors.Is(err, setup.ErrNoPublisher):
		err = &web.Error{Kind: web.Conflict, Text: err.Error(), Hint: "allgreen dmarc shows the new policy when it is seen"}
	case errors.Is(err, setup.ErrNoRecord):
		err = &web.Error{Kind: web.Conflict, Text: err.Error(), Hint: "allgreen dns diff shows what is there"}
	}
	return step, err
}
