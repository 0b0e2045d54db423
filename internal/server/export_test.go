package server

// OpensSinks is for tests.
var OpensSinks = opensSinks
