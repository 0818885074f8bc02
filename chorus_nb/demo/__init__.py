"""The demo site: a small invented hospital with real pixel data, planted identifiers and an answer key."""

from chorus_nb.demo.site import make_site
