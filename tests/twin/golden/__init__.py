"""Prorations to the cent, by subject: recorded, calendar, kinds of prices, billing modes."""
