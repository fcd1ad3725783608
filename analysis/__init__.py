"""From records to tables, figures and a report; never loads TensorFlow."""
