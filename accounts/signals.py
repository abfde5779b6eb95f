"""What this app tells the apps above it, inside the transaction of the change. Receivers must not swallow errors."""

from django.dispatch import Signal

#: A branch moved. Arguments: account_id, old_path, new_path (of the branch's root).
branch_moved = Signal()
