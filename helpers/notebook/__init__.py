"""What notebooks call: functions of the course with their progress shown and friendly errors."""
