"""The parts that all messages share: blocks, mrkdwn, views, identifiers, and what travels in them."""
