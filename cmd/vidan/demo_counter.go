package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"vidan/internal/outside"
)

// counter is the kindergarten's office, where the mother stands with her phone.
type counter struct {
	*enrolment
	question string
}

// poll asks once, and wants this error, or none.
func (c *counter) poll(ctx context.Context, want string) (*outside.Answer, error) {
	answer, err := c.clients[kindergarten].Poll(ctx, c.question)
	if err != nil {
		return nil, err
	}
	var body struct {
		Error string `json:"error"`
	}
	if err := answer.Decode(&body); err != nil || body.Error != want {
		return nil, fmt.Errorf("a poll answered %d: %s", answer.Status, answer.Body)
	}
	return answer, nil
}

// asked: she shows the hint of her phone, the screen shows two digits, she picks them among three; nothing is told before she has decided.
func (c *counter) asked(ctx context.Context) error {
	agency, who := c.clients[kindergarten], c.mother.phone
	hint, err := who.Hint(c.issuer, kindergarten, time.Now())
	if err != nil {
		return err
	}
	officer, err := c.officer(kindergarten)
	if err != nil {
		return err
	}
	if c.question, err = agency.AskOnPhone(ctx, officer, hint, kindergarten, c.request, "57"); err != nil {
		return err
	}
	if _, err := agency.AskOnPhone(ctx, officer, hint, kindergarten, c.request, "57"); err == nil {
		return errors.New("her hint worked twice")
	}
	if err := c.mother.client.Confirm(ctx, who, "57"); err != nil {
		return err
	}
	if _, err := c.poll(ctx, "authorization_pending"); err != nil {
		return err
	}
	c.step("at the counter it asks on her phone, with a hint that she showed once: she picks the two digits of the screen, and nothing is told yet")
	return nil
}

// answered: once she has decided, the office learns so, once.
func (c *counter) answered(ctx context.Context) error {
	answer, err := c.poll(ctx, "")
	if err != nil {
		return err
	}
	var body struct {
		Details []struct {
			State  string   `json:"state"`
			Fields []string `json:"fields"`
		} `json:"authorization_details"`
	}
	if err := answer.Decode(&body); err != nil || len(body.Details) != 1 || body.Details[0].State != "granted" || len(body.Details[0].Fields) == 0 {
		return fmt.Errorf("the counter was told %s", answer.Body)
	}
	if _, err := c.poll(ctx, "invalid_grant"); err != nil {
		return err
	}
	c.step("the counter's screen follows: what she allowed of her own, told once")
	return nil
}
