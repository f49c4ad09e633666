"""Build.io apps offered for deployment on the cards of Bitrise's builds."""
