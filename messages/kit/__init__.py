"""The parts that all messages share: blocks, mrkdwn, views, identifiers, and the values of buttons and modals."""
