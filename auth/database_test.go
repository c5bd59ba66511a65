package auth

import (
	"testing"

	"vidan/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }
