package seal_test

import (
	"testing"

	"vidan/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }
