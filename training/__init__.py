"""The pipeline that makes FlareSeg's weights; its stages meet through files."""
