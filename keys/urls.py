"""Routes of keys."""

from django.urls import path

from keys.views import branch, classic, inactive, platform, platform_lists, restrictions

app_name = "keys"
urlpatterns = [
    path("iam/apikeys", platform_lists.index, name="classic-list"),
    path("iam/apikeys/classic.csv", classic.export, name="classic-csv"),
    path("iam/apikeys/my.csv", platform_lists.export_my, name="platform-csv-my"),
    path("iam/apikeys/all.csv", platform_lists.export_all, name="platform-csv-all"),
    path("iam/apikeys/classic/<int:key_id>", classic.details, name="classic-details"),
    path("iam/apikeys/classic/<int:key_id>/show", classic.show, name="classic-show"),
    path("iam/apikeys/classic/<int:key_id>/download", classic.download, name="classic-download"),
    path("iam/apikeys/classic/<int:key_id>/restriction", classic.restrict, name="classic-restrict"),
    path("iam/apikeys/classic/<int:key_id>/delete", classic.delete, name="classic-delete"),
    path("iam/apikeys/platform/<int:platform_id>/edit", platform.edit, name="platform-edit"),
    path("iam/apikeys/platform/<int:platform_id>/lock", platform.lock, name="platform-lock"),
    path("iam/apikeys/platform/<int:platform_id>/unlock", platform.unlock, name="platform-unlock"),
    path("iam/apikeys/platform/<int:platform_id>/enable", platform.enable, name="platform-enable"),
    path("iam/apikeys/platform/<int:platform_id>/disable", platform.disable, name="platform-disable"),
    path("iam/apikeys/platform/<int:platform_id>/delete", platform.delete, name="platform-delete"),
    path("iam/inactive", inactive.index, name="inactive"),
    path("iam/inactive.csv", inactive.export, name="inactive-csv"),
    path("iam/users/<int:member_id>/classic_key", classic.create, name="classic-create"),
    path("iam/users/<int:member_id>/platform_key", platform.create, name="platform-create"),
    path("iam/users/<int:member_id>/revoke_keys", branch.revoke, name="revoke-branch"),
    path("iam/users/<int:member_id>/restrictions", restrictions.save, name="restrictions"),
]
