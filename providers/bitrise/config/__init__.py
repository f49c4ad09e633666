"""bitrise.yml: shown, validated, read for workflows and pipelines."""
